"""Folds are drawn by patient outside the test part, each is a run, and a broken one goes on at its fold."""
import json
from pathlib import Path

import numpy as np
import pytest
from tiny import arguments, radiographs

from hilum_training.data.samples import Sample
from hilum_training.data.splits import read_split
from hilum_training.errors import TrainingError
from hilum_training.loop.cross_validation import cross_validate, fold_splits, interval


def test_every_patient_validates_once_and_the_test_part_never() -> None:
    samples = [Sample(Path(f"{i}.png"), f"p{i // 2}", "csv", ("normal", "viral")[i // 2 % 2]) for i in range(40)]
    split = {("csv", f"p{i}"): "test" if i % 5 == 0 else "train" for i in range(20)}
    drawn = fold_splits(samples, split, 4, 1)
    validating = [[p for p, part in one.items() if part == "validation"] for one in drawn]
    assert sorted(p for fold in validating for p in fold) == sorted(p for p, part in split.items() if part != "test")
    assert all(
        {p for p, part in one.items() if part == "test"} == {p for p, part in split.items() if part == "test"}
        for one in drawn
    )
    assert [len(fold) for fold in validating] == [4, 4, 4, 4]
    with pytest.raises(TrainingError, match="--folds 1: there are 16 patients"):
        fold_splits(samples, split, 1, 1)


def test_one_picture_under_two_names_is_in_one_fold() -> None:
    samples = [Sample(Path(f"{i}.png"), f"p{i}", "csv", ("normal", "viral")[i % 2]) for i in range(16)]
    split = {("csv", f"p{i}"): "test" if i == 15 else "train" for i in range(16)}
    same = [(("csv", "p0"), ("csv", "p8")), (("csv", "p8"), ("csv", "p4")), (("csv", "p1"), ("csv", "p15"))]
    for one in fold_splits(samples, split, 3, 1, same):
        assert len({one["csv", f"p{i}"] for i in (0, 4, 8)}) == 1
        assert one["csv", "p15"] == "test"


def test_the_interval_is_students() -> None:
    # t with 4 degrees of freedom: 2.776; standard error of these five: 0.00707.
    assert interval([0.88, 0.89, 0.90, 0.91, 0.92]) == {
        "mean": 0.9, "low": 0.8804, "high": 0.9196, "folds": [0.88, 0.89, 0.9, 0.91, 0.92]}


def test_a_broken_cross_validation_goes_on_at_its_fold_and_tells_mean_and_interval(tmp_path: Path, capsys) -> None:
    data = radiographs(tmp_path / "data")
    a = arguments(data, tmp_path / "out", "--folds", "3", "--epochs", "1", command="cross-validate")
    calls = []

    def stop(step: int) -> bool:
        calls.append(step)
        return len(calls) == 6  # in the second fold

    assert cross_validate(a, stop) is None and not (tmp_path / "out" / "cross-validation.json").exists()
    first = (tmp_path / "out" / "fold-1" / "last.pt").stat().st_mtime_ns
    summary = cross_validate(a, lambda step: False)
    assert (tmp_path / "out" / "fold-1" / "last.pt").stat().st_mtime_ns == first
    assert json.loads((tmp_path / "out" / "cross-validation.json").read_text()) == summary
    assert summary["images"] == [12, 12, 12] and len(summary["figures"]["auc"]["folds"]) == 3
    auc = summary["figures"]["auc"]
    assert auc["low"] <= auc["mean"] == pytest.approx(np.mean(auc["folds"]), abs=1e-4) and auc["mean"] <= auc["high"]
    parts = [read_split(tmp_path / "out" / f"fold-{k}" / "split.csv") for k in (1, 2, 3)]
    assert all(list(one.values()).count("validation") == 12 for one in parts)
    assert "auc: 0." in capsys.readouterr().out or auc["mean"] == 1.0
    with pytest.raises(TrainingError, match="divides other patients"):
        cross_validate(
            arguments(data, tmp_path / "out", "--folds", "4", "--epochs", "1", command="cross-validate"),
            lambda step: False,
        )
