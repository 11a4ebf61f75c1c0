"""What a user gets from each kind of source, and the one line about what is wrong in it."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum_training.data.sources import read_source, read_sources
from hilum_training.errors import TrainingError

SIIM = (
    "image",
    "label",
    "x",
    "y",
    "w",
    "h",
    "study_label",
    "use_as_negative",
    "patient_id",
    "fold5",
    "orig_w",
    "orig_h",
    "lung_x",
    "lung_y",
    "lung_w",
    "lung_h",
)


def picture(file: Path, width: int = 40, height: int = 30) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(width * height, dtype=np.uint32).reshape(height, width).astype(np.uint8)).save(file)
    return file


def table(file: Path, *rows: tuple) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="") as opened:
        csv.writer(opened).writerows(rows)
    return file


def siim(folder: Path, *rows: dict) -> str:
    full = [
        {"study_label": "typical", "patient_id": "p", "fold5": "1", "orig_w": "400", "orig_h": "300"} | row
        for row in rows
    ]
    table(folder / "labels.csv", SIIM, *[[row.get(column, "") for column in SIIM] for row in full])
    return f"siim:{folder}"


def kermany(folder: Path) -> str:
    for name in (
        "NORMAL/IM-0115-0001.jpeg",
        "NORMAL/NORMAL2-IM-1419-0001-0002.jpeg",
        "PNEUMONIA/person3_bacteria_12.jpeg",
        "PNEUMONIA/person3_virus_17.jpeg",
    ):
        picture(folder / name)
    return f"kermany:{folder}"


def test_kermany_names_tell_patient_and_kind(tmp_path: Path) -> None:
    found = {s.path.name: s for s in read_source(kermany(tmp_path))}
    assert [(s.patient, s.label, s.located) for s in found.values()] == [
        ("IM-0115", "normal", True),
        ("IM-1419", "normal", True),
        ("person3", "bacterial", False),
        ("person3", "viral", False),
    ]
    assert (found["IM-0115-0001.jpeg"].width, found["IM-0115-0001.jpeg"].height) == (40, 30)


def test_kermany_takes_the_size_of_stretched_copies_from_the_masks_beside_it(tmp_path: Path) -> None:
    spec = kermany(tmp_path / "train")
    for name in ("IM-0115-0001.jpeg", "NORMAL2-IM-1419-0001-0002.jpeg"):
        picture(tmp_path / "train" / "NORMAL" / name, 32, 32)
    table(
        tmp_path / "kermany-lungmask" / "masks.csv",
        ("image", "orig_w", "orig_h"),
        ("train/NORMAL/IM-0115-0001.jpeg", 900, 700),
    )
    sizes = {s.path.name: (s.width, s.height) for s in read_source(spec)}
    assert sizes["IM-0115-0001.jpeg"] == (900, 700)
    assert sizes["NORMAL2-IM-1419-0001-0002.jpeg"] == (0, 0)


@pytest.mark.parametrize(
    "name, said", [("PNEUMONIA/person3_12.jpeg", "tells no patient or kind"), ("NORMAL/a.jpeg", "tells no patient:")]
)
def test_a_kermany_file_with_another_name_is_named(tmp_path: Path, name: str, said: str) -> None:
    spec = kermany(tmp_path)
    picture(tmp_path / name)
    with pytest.raises(TrainingError, match=said) as wrong:
        read_source(spec)
    assert name in str(wrong.value)


def test_an_empty_kermany_class_is_named(tmp_path: Path) -> None:
    spec = kermany(tmp_path)
    for file in (tmp_path / "NORMAL").iterdir():
        file.unlink()
    with pytest.raises(TrainingError, match="class NORMAL is empty"):
        read_source(spec)


def test_siim_gathers_boxes_as_fractions_and_drops_unsure_negatives(tmp_path: Path) -> None:
    lung = {"lung_x": 25.6, "lung_y": 0, "lung_w": 128, "lung_h": 256}
    found = read_source(
        siim(
            tmp_path,
            {"image": "a.jpg", "label": "opacity", "x": 64, "y": 128, "w": 64, "h": 32} | lung,
            {"image": "a.jpg", "label": "opacity", "x": 0, "y": 0, "w": 25.6, "h": 25.6} | lung,
            {"image": "b.jpg", "label": "none", "use_as_negative": "1", "study_label": "negative"},
            {"image": "c.jpg", "label": "none", "use_as_negative": "0"},
        )
    )
    assert [(s.path.name, s.label, s.detail, s.located, s.width) for s in found] == [
        ("a.jpg", "pneumonia", "typical", True, 400),
        ("b.jpg", "normal", "negative", True, 400),
    ]
    np.testing.assert_allclose(found[0].boxes, [[0.25, 0.5, 0.5, 0.625], [0, 0, 0.1, 0.1]], atol=1e-6)
    np.testing.assert_allclose(found[0].lung, [0.1, 0, 0.6, 1], atol=1e-6)
    assert found[1].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "row, said",
    [
        ({"label": "opacity", "x": 10, "y": 10, "w": -5, "h": 9}, "row 2: box x=10 y=10 width=-5 height=9 has no area"),
        (
            {"label": "opacity", "x": 200, "y": 10, "w": 90, "h": 9},
            "row 2: .* reaches out of the image of 256 x 256 pixels",
        ),
        ({"label": "opacity", "x": "left", "y": 10, "w": 90, "h": 9}, "row 2: column x: 'left' is not a number"),
        ({"label": "shadow"}, "row 2: unknown label 'shadow'"),
        ({"label": "none", "patient_id": ""}, "row 2: column patient_id is empty"),
    ],
)
def test_a_wrong_row_is_told_by_file_and_row(tmp_path: Path, row: dict, said: str) -> None:
    with pytest.raises(TrainingError, match=said) as wrong:
        read_source(siim(tmp_path, {"image": "a.jpg"} | row))
    assert str(wrong.value).startswith(f"{tmp_path / 'labels.csv'}, row 2")


def test_a_box_that_rounding_put_outside_is_cut_off(tmp_path: Path) -> None:
    found = read_source(
        siim(tmp_path, {"image": "a.jpg", "label": "opacity", "x": -0.5, "y": 100, "w": 50, "h": 156.4})
    )
    assert found[0].boxes.min() == 0 and found[0].boxes.max() == 1


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    table(tmp_path / "labels.csv", ("image", "label"), ("a.jpg", "none"))
    with pytest.raises(TrainingError, match=r"labels.csv has no column x, y, w, h, study_label.*; it has image, label"):
        read_source(f"siim:{tmp_path}")


def test_phantoms_scale_their_boxes_from_their_own_frame(tmp_path: Path) -> None:
    table(
        tmp_path / "labels.csv",
        ("image", "label", "x", "y", "w", "h", "width", "height"),
        ("images/1.png", "none", "", "", "", "", 320, 320),
        ("images/2.png", "opacity", 32, 64, 32, 16, 320, 320),
    )
    first, second = read_source(f"phantom:{tmp_path}")
    assert (first.patient, first.label, second.label) == ("1", "normal", "pneumonia")
    np.testing.assert_allclose(second.boxes, [[0.1, 0.2, 0.2, 0.25]], atol=1e-6)


def test_a_list_of_ones_own_takes_what_it_tells(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 100, 50), picture(tmp_path / "b.png"), picture(tmp_path / "c.png")
    file = table(
        tmp_path / "own.csv",
        ("file", "label", "x", "y", "width", "height", "patient", "age", "sex", "view"),
        ("a.png", "bacterial", 10, 5, 20, 10, "7", "4.5", "f", "pa"),
        ("a.png", "bacterial", 50, 25, 50, 25, "7", "4.5", "f", "pa"),
        ("b.png", "viral", "", "", "", "", "8", "", "", ""),
        ("c.png", "normal", "", "", "", "", "", "", "", ""),
    )
    a, b, c = read_source(f"csv:{file}")
    np.testing.assert_allclose(a.boxes, [[0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 1, 1]], atol=1e-6)
    assert (a.patient, a.age, a.sex, a.view, a.width, a.height, a.located) == ("7", 4.5, "F", "PA", 100, 50, True)
    assert (b.patient, b.age, b.located) == ("8", None, False)
    assert (c.patient, c.located) == ("c.png", True)


@pytest.mark.parametrize(
    "rows, said",
    [
        (
            [("a.png", "ill", "", "", "", "", "1")],
            "row 2: unknown label 'ill': one of normal, bacterial, viral, pneumonia",
        ),
        ([("a.png", "normal", "", "", "", "", "1", "-3")], "row 2: column age: -3 years"),
        ([("z.png", "normal", "", "", "", "", "1")], "row 2: column file: no file"),
        ([("a.png", "normal", 1, 1, 5, 5, "1")], "row 2: a normal image has a box"),
        ([("a.png", "viral", 1, 1, 5, 0, "1")], "row 2: .* has no area"),
        ([("a.png", "viral", 30, 1, 20, 5, "1")], "row 2: .* reaches out of the image of 40 x 30 pixels"),
        ([("a.png", "viral", 1, "", "", "", "1")], "row 2: column y: '' is not a number"),
        (
            [("a.png", "viral", "", "", "", "", "1"), ("a.png", "viral", "", "", "", "", "2")],
            "row 3: column patient: '2', but '1' in row 2",
        ),
        (
            [("a.png", "viral", "", "", "", "", "1"), ("a.png", "normal", "", "", "", "", "1")],
            "row 3: column label: 'normal', but 'viral' in row 2",
        ),
    ],
)
def test_a_wrong_row_of_ones_own_list_is_named(tmp_path: Path, rows: list[tuple], said: str) -> None:
    picture(tmp_path / "a.png")
    file = table(tmp_path / "own.csv", ("file", "label", "x", "y", "width", "height", "patient", "age"), *rows)
    with pytest.raises(TrainingError, match=said):
        read_source(f"csv:{file}")


@pytest.mark.parametrize("spec", ["nih:data", "kermany", "csv:", "/data/siim"])
def test_an_unknown_kind_of_source_names_the_known_ones(spec: str) -> None:
    with pytest.raises(TrainingError, match="one of kermany, siim, rsna, csv, phantom"):
        read_source(spec)


@pytest.mark.parametrize("kind", ["kermany", "siim", "rsna", "csv", "phantom"])
def test_a_place_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(TrainingError, match="nowhere"):
        read_source(f"{kind}:{tmp_path / 'nowhere'}")


def test_a_list_without_images_and_an_image_given_twice_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    empty = table(tmp_path / "empty.csv", ("file", "label"))
    once = table(tmp_path / "once.csv", ("file", "label"), ("a.png", "normal"))
    again = table(tmp_path / "again.csv", ("file", "label"), ("a.png", "normal"))
    with pytest.raises(TrainingError, match="empty.csv holds no images"):
        read_source(f"csv:{empty}")
    with pytest.raises(TrainingError, match="a.png is given 2 times"):
        read_sources([f"csv:{once}", f"csv:{again}"])


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(TrainingError, match="cannot read the list .*own.csv"):
        read_source(f"csv:{tmp_path / 'own.csv'}")
