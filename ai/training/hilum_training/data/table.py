"""A list of one's own: a CSV of images (PNG, JPEG, DICOM) with labels, boxes and whatever else is known.

Columns: file, label; and, where known, x, y, width, height (pixels of the image; one row a box), patient, age (years),
sex, view, fold. Files are sought from the folder of the list.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import TrainingError
from .dicom import Header, header
from .listing import Row, read_rows
from .pixels import dimensions, is_dicom
from .samples import LABELS, NORMAL, Sample

BOX = ("x", "y", "width", "height")
# Years. Lists hold ages of 148 and the like, for `explore` to show; beyond this the column holds something else.
OLDEST = 150
# What every row of an image must repeat.
SAME = ("label", "patient", "age", "sex", "view", "fold")


def _facts(row: Row, path: Path) -> Header:
    """The list's word first, then the DICOM header's. An image with no patient told is its own patient."""
    if not path.is_file():
        raise row.wrong(f"column file: no file {path}")
    told = header(path) if is_dicom(path) else Header("", None, "", "", *dimensions(path))
    age = row.number_in("age") if row.text("age") else told.age
    if age is not None and not 0 <= age <= OLDEST:
        raise row.wrong(f"column age: {age:g} years")
    return Header(
        row.text("patient") or told.patient or row.required("file"),
        age,
        row.text("sex").upper() or told.sex,
        row.text("view").upper() or told.view,
        told.width,
        told.height,
    )


def _first(row: Row, path: Path) -> Sample:
    label = row.required("label")
    if label not in LABELS:
        raise row.wrong(f"unknown label {label!r}: one of {', '.join(LABELS)}")
    facts = _facts(row, path)
    return Sample(
        path,
        facts.patient,
        "csv",
        label,
        located=label == NORMAL,
        fold=row.text("fold"),
        age=facts.age,
        sex=facts.sex,
        view=facts.view,
        width=facts.width,
        height=facts.height,
    )


def read_table(file: Path) -> list[Sample]:
    """A positive image without a box counts as not located: only its label is learnt from.

    @raises TrainingError naming row and column for a missing file, an unknown label, a wrong box, rows that contradict
    """
    if not file.is_file():
        raise TrainingError(f"no list {file}: csv: wants a CSV file with the columns file, label")
    found: dict[Path, Sample] = {}
    firsts: dict[Path, Row] = {}
    for row in read_rows(file, ("file", "label")):
        path = file.parent / row.required("file")
        first = firsts.setdefault(path, row)
        for column in SAME:
            if row.text(column) != first.text(column):
                raise row.wrong(
                    f"column {column}: {row.text(column)!r}, but {first.text(column)!r} in row "
                    f"{first.number} for the same image"
                )
        sample = found.get(path) or _first(row, path)
        if any(row.text(column) for column in BOX):
            if sample.label == NORMAL:
                raise row.wrong("a normal image has a box")
            box = row.box((sample.width, sample.height), BOX)
            sample = replace(sample, boxes=np.concatenate([sample.boxes, box]), located=True)
        found[path] = sample
    return list(found.values())
