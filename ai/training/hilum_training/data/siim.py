"""SIIM-FISABIO-RSNA 2021: adults, boxes of opacities; labels.csv beside images/ of 256 x 256, one row a box."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .listing import folder, read_rows
from .samples import NORMAL, Sample

# The frame that labels.csv counts its boxes in, whatever the size of the files.
FRAME = (256.0, 256.0)
COLUMNS = ("image", "label", "x", "y", "w", "h", "study_label", "use_as_negative", "patient_id", "fold5")


def read_siim(place: Path) -> list[Sample]:
    """Rows with use_as_negative=0 are of positive studies without a box on this image, no sure negatives: dropped.

    @raises TrainingError for a missing column, an unknown label, a box out of the frame
    """
    folder(place, "SIIM's layout is labels.csv and images/")
    found: dict[str, Sample] = {}
    for row in read_rows(place / "labels.csv", COLUMNS):
        if row.text("use_as_negative") == "0":
            continue
        label, image = row.required("label"), row.required("image")
        if label not in ("opacity", "none"):
            raise row.wrong(f"unknown label {label!r}: opacity or none")
        sample = found.get(image)
        if sample is None:
            lung = row.box(FRAME, ("lung_x", "lung_y", "lung_w", "lung_h"))[0] if row.text("lung_x") else None
            sample = Sample(
                place / image,
                row.required("patient_id"),
                "siim",
                "pneumonia" if label == "opacity" else NORMAL,
                fold=row.text("fold5"),
                width=row.whole("orig_w"),
                height=row.whole("orig_h"),
                lung=lung,
                detail=row.text("study_label"),
            )
        if label == "opacity":
            boxes = np.concatenate([sample.boxes, row.box(FRAME, ("x", "y", "w", "h"))])
            sample = replace(sample, boxes=boxes)
        found[image] = sample
    return list(found.values())
