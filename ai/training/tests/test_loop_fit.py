"""A run: what it leaves, how it goes on, what it refuses, what it can start from and learn from."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import arguments, radiographs

from hilum_training.errors import TrainingError
from hilum_training.loop.setup import fit
from hilum_training.networks.build import load_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return radiographs(tmp_path_factory.mktemp("data"))


def lines(out: Path, *without: str) -> list[dict]:
    """The log, but for what the clock says."""
    return [{k: v for k, v in json.loads(line).items() if k not in ("seconds", *without)}
            for line in (out / "log.jsonl").read_text().splitlines()]


def same_weights(a: Path, b: Path) -> bool:
    one, other = torch.load(a), torch.load(b)
    return all(torch.equal(one[part][k], other[part][k]) for part in ("network", "average") for k in one[part])


@pytest.mark.parametrize("task, breaks, more", [
    ("type", [2, 4], ["--epochs", "2", "--loss", "focal", "--label-smoothing", "0.05", "--mixup", "0.3"]),
    ("detection", [2], ["--epochs", "1", "--optimiser", "sgd", "--rate", "0.01"]),
])
def test_a_broken_run_goes_on_as_if_it_had_never_stopped(
    data, tmp_path: Path, task: str, breaks: list[int], more: list[str]
) -> None:
    epochs = ["--augment", "strong", *more]
    whole = arguments(data, tmp_path / "whole", *epochs, task=task)
    broken = arguments(data, tmp_path / "broken", *epochs, task=task)
    fit(whole)
    for at in breaks:  # in the middle of an epoch
        assert fit(broken, stop=lambda step: step == at) is None
    assert fit(broken) is not None
    steps = [line for line in lines(tmp_path / "whole") if "loss" in line]
    assert len(steps) == 3 * len(breaks) and all(np.isfinite(line["loss"]) for line in steps)
    assert lines(tmp_path / "whole") == lines(tmp_path / "broken")
    assert same_weights(tmp_path / "whole" / "last.pt", tmp_path / "broken" / "last.pt")


class Killed(BaseException):
    """Nothing in the package catches it, as nothing catches SIGKILL."""


def test_a_killed_run_repeats_what_was_not_kept_and_tells_it_once(data, tmp_path: Path) -> None:
    def kill(step: int) -> bool:
        if step == 5:
            raise Killed
        return False

    fit(arguments(data, tmp_path / "whole", "--save-every", "2"))
    killed = arguments(data, tmp_path / "killed", "--save-every", "2")
    with pytest.raises(Killed):
        fit(killed, stop=kill)
    assert torch.load(tmp_path / "killed" / "last.pt")["progress"]["step"] == 4
    fit(killed)
    assert lines(tmp_path / "whole") == lines(tmp_path / "killed")
    assert same_weights(tmp_path / "whole" / "last.pt", tmp_path / "killed" / "last.pt")


def test_a_run_leaves_what_is_needed_to_use_judge_and_look_at_it(data, tmp_path: Path, capsys) -> None:
    figures = fit(arguments(data, tmp_path / "run", task="type"))
    network, config = load_run(tmp_path / "run" / "best.pt")
    assert network(torch.rand(1, 1, 32, 32))[0].shape == (1, 3)
    assert config["labels"] == ["normal", "bacterial", "viral"] and config["size"] == 32 and config["hidden"] == [128]
    assert config["data"] == [f"csv:{data[0]}"] and len(config["split"][0]["sha256"]) == 64
    assert config["images"]["train"] == 24 and config["images"]["validation"] == 12
    assert config["options"]["optimiser"] == "adamw" and config["seed"] == 1
    assert {"loss", "accuracy", "auc", "aucType", "sensitivity", "specificity"} <= figures.keys()
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert left == {"best.pt", "curves.png", "last.pt", "log.jsonl", "tensorboard"}
    told = capsys.readouterr().out
    assert "left" in told and "validation" in told and "24 images to learn from, 12 to validate on" in told


def test_it_learns(data, tmp_path: Path) -> None:
    figures = fit(arguments(data, tmp_path / "run", "--epochs", "12", "--augment", "none", "--ema", "0.5"))
    assert figures["auc"] >= 0.95


def test_a_finished_run_is_left_alone_and_a_longer_one_goes_on(data, tmp_path: Path, capsys) -> None:
    first = fit(arguments(data, tmp_path / "run", "--epochs", "1"))
    before = lines(tmp_path / "run")
    assert fit(arguments(data, tmp_path / "run", "--epochs", "1")) == first
    assert lines(tmp_path / "run") == before and "finished already" in capsys.readouterr().out
    fit(arguments(data, tmp_path / "run", "--epochs", "2"))
    assert torch.load(tmp_path / "run" / "last.pt")["progress"]["step"] == 6


def test_a_run_is_not_gone_on_with_as_another_one(data, tmp_path: Path) -> None:
    fit(arguments(data, tmp_path / "run", "--epochs", "1"))
    kept = (tmp_path / "run" / "last.pt").read_bytes()
    with pytest.raises(TrainingError, match="holds another run .batch was 8 and is 4.: give another --out"):
        fit(arguments(data, tmp_path / "run", "--batch", "4"))
    more, _ = radiographs(tmp_path / "more", 24)
    with pytest.raises(TrainingError, match="holds another run .*: give another --out") as refused:
        fit(arguments((more, data[1]), tmp_path / "run"))
    assert "{" not in str(refused.value)  # what differs, not all of both
    assert (tmp_path / "run" / "last.pt").read_bytes() == kept


def test_a_loss_that_is_no_number_names_its_step_and_leaves_the_last_good_checkpoint(data, tmp_path: Path) -> None:
    bad = arguments(data, tmp_path / "run", "--optimiser", "sgd", "--rate", "1e38", "--clip", "0", "--save-every", "1")
    with pytest.raises(TrainingError, match=r"is (nan|inf) at step 1: .*last\.pt is as it was; try a lower --rate"):
        fit(bad)
    kept = (tmp_path / "run" / "last.pt").read_bytes()
    assert torch.load(tmp_path / "run" / "last.pt")["progress"]["step"] == 1
    with pytest.raises(TrainingError, match="at step 1"):
        fit(bad)
    assert (tmp_path / "run" / "last.pt").read_bytes() == kept


def test_patience_ends_a_run_that_gets_no_better(data, tmp_path: Path) -> None:
    more = "--epochs 30 --rate 1e-9 --ema 0 --choose-by loss --patience 1 --optimiser sgd --freeze-backbone always"
    fit(arguments(data, tmp_path / "run", *more.split()))
    end = lines(tmp_path / "run")[-1]
    assert end["early"] and end["step"] < 90


def test_what_a_task_cannot_use_is_left_out_and_counted(tmp_path: Path, capsys) -> None:
    data = radiographs(tmp_path / "data", 64, ("normal", "bacterial", "viral", "pneumonia"))
    fit(arguments(data, tmp_path / "run", "--epochs", "1", task="type"))
    assert "left out: 16 images of csv labelled pneumonia" in capsys.readouterr().out
    assert torch.load(tmp_path / "run" / "last.pt")["config"]["images"]["train"] == 24


def test_an_empty_class_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    data = radiographs(tmp_path / "data", 16, ("normal", "bacterial"))
    with pytest.raises(TrainingError, match="class viral is empty in train: 8 images, none of them viral"):
        fit(arguments(data, tmp_path / "run", task="type"))
    assert not (tmp_path / "run").exists()


def test_it_starts_from_another_runs_weights_whatever_fits(data, tmp_path: Path, capsys) -> None:
    fit(arguments(data, tmp_path / "type", "--epochs", "1", task="type"))
    given = load_run(tmp_path / "type" / "best.pt")[0].state_dict()
    weights = ["--weights", str(tmp_path / "type" / "best.pt"), "--freeze-backbone", "always"]
    fit(arguments(data, tmp_path / "next", "--epochs", "1", *weights))
    assert "weights: 27 of 29 tensors; not there: head.4.weight, head.4.bias" in capsys.readouterr().out
    now = load_run(tmp_path / "next" / "best.pt")[0].state_dict()
    frozen = [k for k in given if k.startswith("backbone.") and not k.endswith("num_batches_tracked")]
    assert len(frozen) > 20 and all(torch.equal(now[k], given[k]) for k in frozen)
    assert not torch.equal(now["head.1.weight"], given["head.1.weight"])


def test_a_student_learns_what_its_teachers_say_instead_of_the_labels(data, tmp_path: Path) -> None:
    teachers = []
    for seed in ("1", "2"):
        fit(arguments(data, tmp_path / seed, "--epochs", "1", "--seed", seed, task="type"))
        teachers += ["--teacher", str(tmp_path / seed / "best.pt")]
    x = torch.rand(16, 1, 32, 32)
    told = [1 - load_run(Path(file))[0](x)[0].softmax(1)[:, 0] for file in teachers[1::2]]
    alike = "--epochs 6 --augment none --ema 0".split()
    fit(arguments(data, tmp_path / "student", *alike, *teachers, "--distil-weight", "1"))
    student = load_run(tmp_path / "student" / "last.pt")[0](x)[0].sigmoid()[:, 0]
    fit(arguments(data, tmp_path / "plain", *alike))
    unlike = load_run(tmp_path / "plain" / "last.pt")[0](x)[0].sigmoid()[:, 0]
    wanted = sum(told) / 2
    assert (student - wanted).abs().mean() < (unlike - wanted).abs().mean()


def test_wishes_that_cannot_be_met_are_refused_in_one_line(data, tmp_path: Path) -> None:
    fit(arguments(data, tmp_path / "teacher", "--epochs", "1"))
    for more, task, said in [
        (["--mixup", "0.2"], "detection", "learns boxes"),
        (["--precision", "fp16", "--device", "cpu"], "type", "needs a GPU"),
        (["--teacher", str(tmp_path / "teacher" / "best.pt")], "type", "teacher of task pneumonia cannot tell"),
        (["--per-epoch", "siim=10"], "type", "--per-epoch siim: --data has no such source, but csv"),
        (["--size", "80"], "detection", "multiple of 32 pixels, not 80"),
        (["--weights", "default"], "type", "plain-cnn has no published weights"),
        (["--weights", str(data[0])], "type", "not a readable checkpoint"),
    ]:
        with pytest.raises(TrainingError, match=said):
            fit(arguments(data, tmp_path / "run", *more, task=task))
    assert not (tmp_path / "run").exists()


def test_bf16_on_a_cpu_trains_and_its_answers_are_finite(data, tmp_path: Path) -> None:
    figures = fit(arguments(data, tmp_path / "run", "--epochs", "1", "--bf16"))
    assert np.isfinite(figures["loss"])
