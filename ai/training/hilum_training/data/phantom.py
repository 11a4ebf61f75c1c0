"""Drawn thoraxes with known opacities, as ai/phantom/export.ts writes them: labels.csv, one row a box, and images/."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .listing import folder, read_rows
from .samples import NORMAL, Sample

COLUMNS = ("image", "label", "x", "y", "w", "h", "width", "height")


def read_phantoms(place: Path) -> list[Sample]:
    """Every phantom is a patient of its own. @raises TrainingError for a missing column or a box out of the frame"""
    folder(place, "draw phantoms with: node ai/phantom/export.ts --out FOLDER")
    found: dict[str, Sample] = {}
    for row in read_rows(place / "labels.csv", COLUMNS):
        label, image = row.required("label"), row.required("image")
        if label not in ("opacity", "none"):
            raise row.wrong(f"unknown label {label!r}: opacity or none")
        width, height = row.whole("width"), row.whole("height")
        if width < 1 or height < 1:
            raise row.wrong("width and height of the image must be above 0")
        sample = found.get(image) or Sample(
            place / image,
            Path(image).stem,
            "phantom",
            "pneumonia" if label == "opacity" else NORMAL,
            width=width,
            height=height,
        )
        if label == "opacity":
            boxes = np.concatenate([sample.boxes, row.box((width, height), ("x", "y", "w", "h"))])
            sample = replace(sample, boxes=boxes)
        found[image] = sample
    return list(found.values())
