"""`train judge`: what it leaves, and what it refuses."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from judged import command, data, trained

from hilum_training.commands import judge
from hilum_training.errors import TrainingError
from hilum_training.networks.build import read_checkpoint


def judged(out: Path, *given: str) -> dict:
    a = command("judge", "--out", str(out), *given)
    judge.run(a)
    return json.loads((out / "judgement.json").read_text())


@pytest.mark.parametrize("task", ["pneumonia", "type", "detection"])
def test_a_run_is_judged_on_the_part_that_it_has_not_seen(task: str, tmp_path: Path) -> None:
    judgement = judged(tmp_path, "--run", str(trained(task)))
    with open(data()[1]) as file:
        test = {row["patient"] for row in csv.DictReader(file) if row["part"] == "test"}
    with open(tmp_path / "predictions.csv") as file:
        predictions = list(csv.DictReader(file))
    assert {row["patient"] for row in predictions} == test
    whole, threshold = judgement["sets"]["all"], judgement["operatingPoint"]["threshold"]
    assert whole["images"] == len(test) == sum(map(sum, whole["confusion"]))
    called = [row["positive"] == "1" for row in predictions]
    assert called == [float(row["probability"]) >= threshold - 1e-4 for row in predictions]
    assert sum(called) == whole["confusion"][0][1] + whole["confusion"][1][1]
    for name in (
        "auc",
        "accuracy",
        "sensitivity",
        "specificity",
        "precision",
        "f1",
        "averagePrecision",
        "calibrationError",
    ):
        assert set(whole[name]) == {"value", "low", "high"}
    assert whole["auc"]["value"] > 0.5 and "rsnaMap" in whole["regions"]
    assert ("ap50" in whole["regions"]) == (task == "detection")
    assert ("labels" in whole) == (task == "type")


def test_three_labels_are_judged_each_and_the_two_kinds_against_each_other(tmp_path: Path) -> None:
    labels = judged(tmp_path, "--run", str(trained("type")))["sets"]["all"]["labels"]
    assert {
        "accuracy",
        "auc normal",
        "auc bacterial",
        "auc viral",
        "auc bacterial against viral",
        "accuracy bacterial against viral",
    } <= labels.keys()
    # A dark square and a bright one, trained on: hardly to be mistaken for each other.
    assert labels["auc bacterial against viral"]["value"] > 0.8
    assert sum(map(sum, labels["confusion"])) == labels["images"]


def test_the_report_is_one_file_that_needs_nothing_else(tmp_path: Path) -> None:
    judged(tmp_path, "--run", str(trained("detection")))
    page = (tmp_path / "report.html").read_text()
    sources = re.findall(r'src="([^"]{0,40})', page)
    assert len(sources) >= 8 and all(source.startswith("data:image/") for source in sources)
    assert "http" not in re.sub(r"data:image/[^\"]*", "", page)
    assert "An image is called positive from a probability of" in page and "the truth in red" in page


def test_several_runs_are_averaged(tmp_path: Path) -> None:
    one, other = trained("pneumonia"), trained("pneumonia", seed=2)
    judgement = judged(tmp_path, "--run", str(one), "--run", str(other), "--flip")
    assert str(one) in judgement["run"]["runs"] and str(other) in judgement["run"]["runs"]
    assert judgement["flip"] is True


def test_youden_and_a_wanted_sensitivity_give_other_thresholds(tmp_path: Path) -> None:
    run = str(trained("pneumonia"))
    careful = judged(tmp_path / "a", "--run", run, "--sensitivity", "1")["operatingPoint"]
    balanced = judged(tmp_path / "b", "--run", run, "--choose", "youden")["operatingPoint"]
    assert "at least 1 " in careful["chosenFor"] and "sensitivity + specificity" in balanced["chosenFor"]
    assert careful["threshold"] != balanced["threshold"]


def altered(tmp_path: Path, **config: object) -> Path:
    """A copy of the run whose checkpoint says otherwise."""
    run = tmp_path / "run"
    shutil.copytree(trained("pneumonia"), run)
    kept = read_checkpoint(run / "best.pt")
    kept["config"] |= config
    torch.save(kept, run / "best.pt")
    return run


def refused(*given: str) -> str:
    with pytest.raises(TrainingError) as reason:
        judge.run(command("judge", *given))
    assert "\n" not in str(reason.value)
    return str(reason.value)


def test_a_patient_that_was_trained_on_is_not_judged(tmp_path: Path) -> None:
    """By another split than the one that the run was trained with."""
    rows = data()[1].read_text().replace(",train", ",X").replace(",test", ",train").replace(",X", ",test")
    (tmp_path / "other.csv").write_text(rows)
    run = trained("pneumonia")
    assert re.search(
        r"leaked patient: .* first p\d+ of csv", refused("--run", str(run), "--split", str(tmp_path / "other.csv"))
    )


def test_a_split_that_was_changed_after_training_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "split.csv"
    changed.write_text(data()[1].read_text() + "csv,somebody,test\n")
    run = altered(tmp_path, split=[{"file": str(changed), "sha256": "0" * 64}])
    assert f"{changed} is not the split any more" in refused("--run", str(run))


def test_a_part_without_a_class_is_refused_and_named(tmp_path: Path) -> None:
    images = tmp_path / "images.csv"
    images.write_text(
        re.sub(r"^.*,normal,.*\n", "", data()[0].read_text(), flags=re.M).replace("\n", f"\n{data()[0].parent}/")[
            : -len(f"{data()[0].parent}/")
        ]
    )
    assert "class normal is empty in validation" in refused(
        "--run", str(trained("pneumonia")), "--data", f"csv:{images}", "--out", str(tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


def test_a_network_that_answers_no_number_is_refused(tmp_path: Path) -> None:
    run = altered(tmp_path)
    kept = read_checkpoint(run / "best.pt")
    for value in kept["average"].values():
        value.fill_(float("nan")) if value.is_floating_point() else None
    torch.save(kept, run / "best.pt")
    assert re.search(r"answers NaN in logit for .*png and \d+ more", refused("--run", str(run)))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert f"no best.pt in {tmp_path}" in refused("--run", str(tmp_path))
    (tmp_path / "best.pt").write_text("no checkpoint")
    assert "is not a readable checkpoint" in refused("--run", str(tmp_path))


def test_runs_of_different_tasks_are_not_averaged() -> None:
    assert "they cannot be averaged" in refused("--run", str(trained("pneumonia")), "--run", str(trained("type")))


@pytest.mark.parametrize("option, value, wanted", [("--sensitivity", "0", "above 0"), ("--draws", "3", "too few")])
def test_an_option_out_of_range_is_refused(option: str, value: str, wanted: str) -> None:
    assert wanted in refused("--run", str(trained("pneumonia")), option, value)
