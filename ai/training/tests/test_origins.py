"""What weights came from goes with them: its terms, its patients, its name. And what a figure is of is never another's."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from judged import DATA, command, data, trained
from tiny import arguments

from hilum_training.commands import compare, export, judge
from hilum_training.data.splits import read_split, write_split
from hilum_training.errors import TrainingError
from hilum_training.loop.setup import fit
from hilum_training.networks.build import read_checkpoint

TRAIN = Path(__file__).parents[1] / "train"


def exported(out: Path, run: Path, *given: str) -> str:
    export.run(command("export", "--run", str(run), "--out", str(out), "--name", "trial", "--version", "0.1.0", *given))
    return (out / "MODEL_CARD.md").read_text()


def test_weights_begun_from_a_package_keep_its_terms_and_say_so(tmp_path: Path) -> None:
    package = tmp_path / "package"
    exported(package, trained("pneumonia"), "--licence", "CC-BY-NC-4.0 (own)")
    run = tmp_path / "run"
    fit(arguments(data(), run, "--epochs", "1", "--weights", str(package / "model.onnx")))
    fit(arguments(data(), run, "--epochs", "2", "--weights", str(package / "model.onnx")))  # goes on
    assert read_checkpoint(run / "last.pt")["config"]["origins"][0]["name"] == "trial 0.1.0"
    with pytest.raises(TrainingError, match="terms of csv are not known"):
        exported(tmp_path / "none", run)
    card = exported(tmp_path / "second", run, "--licence", "own")
    assert "began from trial 0.1.0" in card and "does not tell which patients" in " ".join(card.split())


def test_the_strictest_terms_of_data_and_origins_are_the_weights() -> None:
    from hilum_training.export.facts import licence

    package = {"role": "began from", "file": "m.onnx", "name": "opacity 0.3.0", "licence": "CC-BY-NC-4.0 (trained on S)"}
    assert licence({"kermany"}, [], None).startswith("CC-BY-4.0 (")
    told = licence({"kermany"}, [package], None)
    assert told.startswith("CC-BY-NC-4.0 (") and "began from opacity 0.3.0, CC-BY-NC-4.0" in told
    with pytest.raises(TrainingError, match=r"terms of torchvision.* are not known"):
        licence({"kermany"}, [{"role": "began from", "file": "torchvision's ImageNet weights"}], None)


@pytest.mark.parametrize("option", ["--weights", "--teacher"])
def test_patients_of_what_weights_came_from_are_not_judged(option: str, tmp_path: Path) -> None:
    files, split = data()
    swapped = {p: {"train": "test", "test": "train"}.get(part, part) for p, part in read_split(split).items()}
    write_split(tmp_path / "swapped.csv", swapped)
    with pytest.raises(TrainingError, match=r"leaked patient: .*best\.pt was trained on .* that would be judged"):
        fit(arguments((files, tmp_path / "swapped.csv"), tmp_path / "run", "--epochs", "1", option, str(trained("pneumonia") / "best.pt")))
    assert not (tmp_path / "run").exists()


def test_figures_of_a_package_are_not_of_what_it_was_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--part train"):
        exported(tmp_path / "out", trained("pneumonia"), "--licence", "own", "--part", "train")
    assert not (tmp_path / "out").exists()


def test_several_runs_are_judged_as_none_of_them(tmp_path: Path) -> None:
    one, other = trained("pneumonia"), trained("pneumonia", 2)
    with pytest.raises(TrainingError, match="say with --out where"):
        judge.run(command("judge", "--run", str(one), "--run", str(other)))
    judge.run(command("judge", "--run", str(one), "--run", str(other), "--out", str(tmp_path / "run" / "judge-test")))
    shutil.copy(one / "last.pt", tmp_path / "run")
    with pytest.raises(TrainingError, match="judge .* itself"):
        compare.run(command("compare", "--runs", str(tmp_path / "run"), "--out", str(tmp_path / "table.md")))
    assert json.loads((tmp_path / "run" / "judge-test" / "judgement.json").read_text())["run"]["runs"].count(", ") == 1


def test_a_run_without_its_last_weights_is_not_written_over(tmp_path: Path) -> None:
    run = shutil.copytree(trained("pneumonia"), tmp_path / "run")
    (run / "last.pt").unlink()
    with pytest.raises(TrainingError, match=r"holds the best\.pt of a run, but no last\.pt"):
        fit(arguments(data(), run, "--epochs", "1"))


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    run = shutil.copytree(trained("pneumonia"), tmp_path / "run")
    content = bytearray((run / "last.pt").read_bytes())
    content[len(content) // 2] ^= 0x10
    (run / "last.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        fit(arguments(data(), run, "--seed", "1", "--epochs", "5"))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    files, _ = data()
    given = ["split", "--data", f"csv:{files}", "--cache", str(DATA / "cache"), "--out", str(tmp_path / "file" / "split.csv")]
    done = subprocess.run([sys.executable, str(TRAIN), *given], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("train: cannot use ") and "Traceback" not in done.stderr
