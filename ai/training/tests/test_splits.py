"""Splits by patient: drawn once, never leaking, and the committed ones as they always were."""

import csv
import hashlib
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_images import chest, files

from hilum_training.commands import split as split_command
from hilum_training.data.samples import Sample, SampleSet
from hilum_training.data.splits import folds, make_split, part_indices, parts, patient_of, read_split, write_split
from hilum_training.errors import TrainingError

COMMITTED = Path(__file__).parents[1] / "splits"
SHARES = (0.6, 0.2, 0.2)


def people(normal: int, viral: int, images: int = 2, source: str = "csv") -> list[Sample]:
    return [
        Sample(Path(f"{source}-{label}-{p}-{i}.png"), f"{label}{p}", source, label)
        for label, count in (("normal", normal), ("viral", viral))
        for p in range(count)
        for i in range(images)
    ]


def arguments(*given: str) -> Namespace:
    parser = ArgumentParser()
    split_command.add(parser.add_subparsers())
    return parser.parse_args(["split", *given])


def test_every_part_gets_its_share_of_every_class_by_patient() -> None:
    samples = people(50, 30)
    split = make_split(samples, 1, SHARES)
    counts = Counter((part, sample.label) for part, found in parts(samples, split).items() for sample in found)
    assert counts == {
        ("train", "normal"): 60,
        ("validation", "normal"): 20,
        ("test", "normal"): 20,
        ("train", "viral"): 36,
        ("validation", "viral"): 12,
        ("test", "viral"): 12,
    }


def test_a_split_does_not_hang_on_the_order_of_images_but_on_the_seed() -> None:
    samples = people(40, 40)
    assert make_split(samples, 1, SHARES) == make_split(samples[::-1], 1, SHARES)
    assert make_split(samples, 1, SHARES) != make_split(samples, 2, SHARES)


def test_patients_that_are_kept_stay_and_new_ones_are_added() -> None:
    before = make_split(people(20, 20), 1, SHARES)
    after = make_split(people(40, 40), 2, SHARES, before)
    assert all(after[patient] == part for patient, part in before.items())
    assert len(after) == 80


def test_one_person_under_two_names_is_in_one_part() -> None:
    samples = people(40, 40)
    same = [(("csv", f"normal{i}"), ("csv", f"viral{i}")) for i in range(40)]
    split = make_split(samples, 1, SHARES, None, same)
    assert all(split[one] == split[other] for one, other in same)
    assert set(split.values()) == {"train", "validation", "test"}


def test_a_class_too_small_for_all_parts_is_named() -> None:
    with pytest.raises(TrainingError, match="class viral is empty in (validation|test): .* none of them viral"):
        make_split(people(30, 1), 1, SHARES)


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_shares_that_do_not_sum_to_one_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(TrainingError, match="shares .* together 1"):
        make_split(people(10, 10), 1, shares)


def test_a_split_is_read_as_it_was_written_and_never_written_over(tmp_path: Path) -> None:
    split = make_split(people(10, 10), 1, SHARES)
    write_split(tmp_path / "split.csv", split)
    assert read_split(tmp_path / "split.csv") == split
    with pytest.raises(TrainingError, match="split.csv exists"):
        write_split(tmp_path / "split.csv", {})
    assert read_split(tmp_path / "split.csv") == split


@pytest.mark.parametrize(
    "rows, said",
    [
        (["csv,p1,train", "csv,p2,test", "csv,p1,test"], "row 4: leaked patient: p1 of csv is in test and in train"),
        (["csv,p1,holdout"], "row 2: unknown part 'holdout'"),
        (["csv,,test"], "row 2: column patient is empty"),
        ([], "no patients in"),
    ],
)
def test_a_wrong_split_file_is_told_by_row(tmp_path: Path, rows: list[str], said: str) -> None:
    (tmp_path / "split.csv").write_text("\n".join(["source,patient,part", *rows]))
    with pytest.raises(TrainingError, match=said):
        read_split(tmp_path / "split.csv")


def test_a_patient_in_two_files_with_two_parts_is_a_leak(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("source,patient,part\ncsv,p1,train\n")
    (tmp_path / "b.csv").write_text("source,patient,part\nsiim,p1,test\n")
    assert len(read_split(tmp_path / "a.csv", tmp_path / "b.csv")) == 2
    (tmp_path / "b.csv").write_text("source,patient,part\ncsv,p1,test\n")
    with pytest.raises(TrainingError, match="b.csv, row 2: leaked patient"):
        read_split(tmp_path / "a.csv", tmp_path / "b.csv")


def test_a_patient_that_the_split_does_not_know_is_named_but_a_phantom_is_trained_on() -> None:
    split = {("csv", "normal0"): "test"}
    with pytest.raises(TrainingError, match="patient normal1 of csv is in no part"):
        part_indices(people(2, 0), split)
    assert list(part_indices(people(2, 0, source="phantom"), split)["train"]) == [0, 1, 2, 3]


def test_parts_of_a_set_take_their_pixels_along() -> None:
    samples = people(10, 10, images=1)
    images = SampleSet(samples, np.arange(20, dtype=np.uint8)[:, None, None])
    split = make_split(samples, 1, SHARES)
    for part, found in parts(images, split).items():
        assert [samples[int(value)] for value in found.images[:, 0, 0]] == found.samples
        assert {split[patient_of(sample)] for sample in found.samples} == {part}


def test_folds_are_by_patient_and_of_one_size_in_every_class() -> None:
    samples = people(31, 20, images=3)
    fold = folds(samples, 5, 1)
    by_patient = {patient_of(sample): set() for sample in samples}
    for sample, number in zip(samples, fold):
        by_patient[patient_of(sample)].add(number)
    assert all(len(found) == 1 for found in by_patient.values())
    for label in ("normal", "viral"):
        sizes = Counter(int(n) for sample, n in zip(samples, fold) if sample.label == label)
        assert set(sizes) == set(range(5)) and max(sizes.values()) - min(sizes.values()) <= 3


def test_the_command_keeps_one_picture_under_two_patients_in_one_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [chest(seed) for seed in range(12)]
    names = [f"p{i}" for i in range(24)]
    # Every picture twice: as it is, and a little brighter under another patient's name.
    samples = files(tmp_path, images + [np.clip(image * 1.1, 0, 255).astype(np.uint8) for image in images], names)
    with open(tmp_path / "own.csv", "w", newline="") as file:
        rows = [(s.path.name, "viral" if i % 2 else "normal", s.patient) for i, s in enumerate(samples)]
        csv.writer(file).writerows([("file", "label", "patient"), *rows])
    out = tmp_path / "split.csv"
    given = (
        "--data",
        f"csv:{tmp_path / 'own.csv'}",
        "--out",
        str(out),
        "--size",
        "128",
        "--cache",
        str(tmp_path / "cache"),
        "--shares",
        "0.5",
        "0.25",
        "0.25",
    )
    split_command.run(arguments(*given))
    split = read_split(out)
    assert all(split["csv", f"p{i}"] == split["csv", f"p{i + 12}"] for i in range(12))
    assert "train: 12 patients, 12 images: normal 6, viral 6" in capsys.readouterr().out
    before = out.read_bytes()
    with pytest.raises(TrainingError, match="split.csv exists"):
        split_command.run(arguments(*given))
    assert out.read_bytes() == before


def test_the_command_writes_nothing_when_an_image_cannot_be_read(tmp_path: Path) -> None:
    Image.fromarray(chest(1)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    (tmp_path / "own.csv").write_text("file,label\na.png,normal\nb.png,viral\n")
    with pytest.raises(TrainingError, match="cannot read image .*b.png"):
        split_command.run(
            arguments(
                "--data",
                f"csv:{tmp_path / 'own.csv'}",
                "--out",
                str(tmp_path / "split.csv"),
                "--cache",
                str(tmp_path / "cache"),
            )
        )
    assert not (tmp_path / "split.csv").exists()


def digest(patient: str) -> int:
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16)


def test_the_committed_splits_hold_out_whom_no_model_was_ever_trained_on() -> None:
    kermany, siim = read_split(COMMITTED / "kermany.csv"), read_split(COMMITTED / "siim.csv")
    for (_, patient), part in kermany.items():
        held = digest(patient) % 10 == 0
        assert part == ("train" if not held else "validation" if digest(patient) // 100 % 2 == 0 else "test")
    for (_, patient), part in siim.items():
        if part != "train":  # of one fold, which the file does not tell
            assert digest(patient) % 2 == 0
            assert part == ("validation" if digest(patient) // 100 % 2 == 0 else "test")
    assert Counter(kermany.values()) == {"train": 2368, "validation": 135, "test": 132}
    assert Counter(siim.values()) == {"train": 2227, "validation": 167, "test": 185}
