"""The report on data: what it finds, and that nothing is left half-written."""

import csv
import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_images import chest, jpeg

from hilum_training.commands import explore as command
from hilum_training.errors import TrainingError
from hilum_training.explore.gray import auc

COLUMNS = ("file", "label", "x", "y", "width", "height", "patient", "age", "sex", "view")


def arguments(*given: str) -> Namespace:
    parser = ArgumentParser()
    command.add(parser.add_subparsers())
    return parser.parse_args(["explore", *given])


def collection(folder: Path, extra: dict[str, tuple[np.ndarray, tuple]] | None = None) -> list[str]:
    """24 chests, half of them viral and wider than high, and `extra` files (pixels, the row's cells after the file)."""
    rows = []
    for i in range(24):
        viral = i % 2 == 1
        image = Image.fromarray(chest(i)).resize((160, 128) if viral else (128, 128))
        image.save(folder / f"{i}.png")
        rows.append(
            (
                f"{i}.png",
                "viral" if viral else "normal",
                *((20, 20, 40, 60) if viral else ("",) * 4),
                f"p{i}",
                3 + i,
                "F" if viral else "M",
                "AP",
            )
        )
    for name, (pixels, cells) in (extra or {}).items():
        Image.fromarray(pixels).save(folder / name)
        rows.append((name, *cells))
    with open(folder / "own.csv", "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    patients = dict.fromkeys(row[6] for row in rows)
    with open(folder / "split.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("source", "patient", "part"),
                *[("csv", p, ("train", "validation", "test")[i // 2 % 3]) for i, p in enumerate(patients)],
            ]
        )
    return [
        "--data",
        f"csv:{folder / 'own.csv'}",
        "--split",
        str(folder / "split.csv"),
        "--out",
        str(folder / "out"),
        "--size",
        "128",
        "--cache",
        str(folder / "cache"),
    ]


def told(folder: Path) -> tuple[dict, list[str]]:
    found = json.loads((folder / "out" / "explore.json").read_text())
    return found, [f"{f['level']}: {f['text']}" for f in found["findings"]]


def test_the_report_counts_what_is_there_in_one_file_without_links(tmp_path: Path) -> None:
    command.run(arguments(*collection(tmp_path)))
    found, findings = told(tmp_path)
    own = found["sources"]["csv"]
    assert found["parts"] == {"train": 8, "validation": 8, "test": 8}
    assert own["counts"]["viral"] == {part: {"images": 4, "patients": 4} for part in ("train", "validation", "test")}
    assert own["age"]["known"] == 24 and own["sex"] == {"M": 12, "F": 12} and own["view"] == {"AP": 24}
    assert own["boxes"]["anImage"] == {"0": 12, "1": 12} and own["boxes"]["width"]["p50"] == pytest.approx(0.25)
    assert own["shortcuts"]["width over height"] == 1
    assert any("width over height 1.00" in text for text in findings)
    html = (tmp_path / "out" / "explore.html").read_text()
    assert "http" not in html and 'src="data:image/png;base64,' in html and html.count("<figure>") >= 10
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["explore.html", "explore.json"]


def test_duplicates_across_parts_and_patients_are_to_be_mended(tmp_path: Path) -> None:
    # p24 falls into train, as p0 does; p26 and p27 into validation.
    extra = {
        "same.png": (chest(0), ("normal", "", "", "", "", "p24", "", "", "")),
        "other.png": (chest(40), ("normal", "", "", "", "", "p25", "", "", "")),
        "leak.png": (chest(0), ("viral", "", "", "", "", "p26", "", "", "")),
        "near.png": (jpeg(chest(6)), ("normal", "", "", "", "", "p27", "", "", "")),
    }
    command.run(arguments(*collection(tmp_path, extra)))
    found, findings = told(tmp_path)
    assert "mend: 1 picture in two parts of the split at once, pixel for pixel" in findings
    assert "mend: 1 picture under two different labels, pixel for pixel" in findings
    assert "mend: 1 pair across two parts of the split that seem to be one exposure" in findings
    assert "look: 1 picture under two patients, pixel for pixel: they are one person" in findings
    assert "know: 2 images too many: 1 picture more than once, pixel for pixel" in findings
    assert [[Path(one["file"]).name for one in group] for group in found["duplicates"]["exact"]] == [
        ["0.png", "same.png", "leak.png"]
    ]
    assert {Path(found["duplicates"]["near"][0][side]["file"]).name for side in ("first", "second")} == {
        "6.png",
        "near.png",
    }


def test_what_looks_wrong_is_listed(tmp_path: Path) -> None:
    faint = (chest(50) // 16 + 100).astype(np.uint8)
    extra = {
        "faint.png": (faint, ("normal", "", "", "", "", "q1", "", "", "")),
        "blank.png": (np.full((128, 128), 9, np.uint8), ("normal", "", "", "", "", "q2", "", "", "")),
        "thin.png": (chest(51), ("viral", 5, 5, 1, 50, "q3", 148, "", "")),
        "wide.png": (chest(52), ("viral", 0, 0, 120, 120, "q4", "", "", "")),
        "unboxed.png": (chest(53), ("viral", "", "", "", "", "p0", "", "", "")),
    }
    command.run(arguments(*collection(tmp_path, extra)))
    found, findings = told(tmp_path)
    assert "look: 1 image with hardly any contrast (under 50 gray levels)" in findings
    assert "mend: 1 image of one gray value" in findings
    assert "look: 1 image with a box narrower than 2 % of the image" in findings
    assert "look: 1 image with a box over more than 50 % of the image" in findings
    assert "look: 1 image of people older than 110 years" in findings
    assert "know: 1 patient with images that are normal and viral" in findings
    assert "know: 1 positive without a box: a detector learns only the label from them" in findings
    by_text = {f["text"]: f["files"] for f in found["findings"]}
    assert [Path(p).name for p in by_text["1 image of one gray value"]] == ["blank.png"]


def test_an_empty_class_in_a_part_is_to_be_mended(tmp_path: Path) -> None:
    given = collection(tmp_path)
    split = (tmp_path / "split.csv").read_text().splitlines()
    odd = [
        line
        if not line.split(",")[1][1:].isdigit() or int(line.split(",")[1][1:]) % 2 == 0
        else line.replace(",test", ",train")
        for line in split
    ]
    (tmp_path / "split.csv").write_text("\n".join(odd))
    command.run(arguments(*given))
    assert "mend: class viral is empty in test" in told(tmp_path)[1]


def test_a_report_needs_no_split(tmp_path: Path) -> None:
    given = collection(tmp_path)
    at = given.index("--split")
    command.run(arguments(*given[:at], *given[at + 2 :]))
    assert told(tmp_path)[0]["parts"] == {"all": 24}


def test_bad_data_leaves_the_last_report_as_it_was(tmp_path: Path) -> None:
    given = collection(tmp_path)
    command.run(arguments(*given))
    before = (tmp_path / "out" / "explore.html").read_bytes()
    (tmp_path / "3.png").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="cannot read image .*3.png"):
        command.run(arguments(*given))
    assert (tmp_path / "out" / "explore.html").read_bytes() == before


def test_a_useless_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--size 16"):
        command.run(arguments("--data", "csv:none", "--out", str(tmp_path), "--size", "16"))


def test_auc_is_the_chance_of_the_right_order_whichever_way_round() -> None:
    truth = np.array([False, False, True, True])
    assert auc(np.array([1, 2, 3, 4]), truth) == 1
    assert auc(np.array([4, 3, 2, 1]), truth) == 1
    assert auc(np.array([1, 1, 1, 1]), truth) == 0.5
    assert auc(np.array([1, 3, 2, 4]), truth) == 0.75
    assert auc(np.array([1, 2, 3, 4]), np.ones(4, bool)) == 0.5
