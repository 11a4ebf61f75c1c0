"""RSNA Pneumonia Detection Challenge 2018: DICOM files of 1024 x 1024, boxes of opacities, adults and children.

stage_2_train_images/PATIENT.dcm, stage_2_train_labels.csv (one row a box), stage_2_detailed_class_info.csv. Where the
organisers' pneumonia-challenge-dataset-mappings_2018.json lies beside them it tells the person behind each image: the
challenge's own patientId is one an image, and a person of the NIH collection has several.
"""

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError
from .dicom import header
from .listing import Row, folder, read_rows
from .samples import NORMAL, Sample, no_boxes, quiet

LABELS_FILE = "stage_2_train_labels.csv"
CLASSES_FILE = "stage_2_detailed_class_info.csv"
IMAGES = "stage_2_train_images"
MAPPINGS = "pneumonia-challenge-dataset-mappings_2018.json"
# The class that a positive has; "No Lung Opacity / Not Normal" is a negative that is not healthy, kept in `detail`.
OPACITY = "Lung Opacity"
CLASSES = (OPACITY, "Normal", "No Lung Opacity / Not Normal")
BOX = ("x", "y", "width", "height")


def _classes(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in read_rows(file, ("patientId", "class")):
        image, name = row.required("patientId"), row.required("class")
        if name not in CLASSES:
            raise row.wrong(f"unknown class {name!r}: one of {', '.join(CLASSES)}")
        if found.setdefault(image, name) != name:
            raise row.wrong(f"{image} is of class {name!r} here and {found[image]!r} above")
    return found


def _people(file: Path) -> dict[str, str]:
    """The NIH patient (the number before the underscore of the image's name) by the challenge's patientId."""
    if not file.exists():
        return {}
    try:
        return {m["subset_img_id"]: "nih-" + m["img_id"].split("_")[0] for m in json.loads(file.read_text())}
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise TrainingError(f"cannot read the mapping of patients {file}: {reason!r}") from reason


def _target(row: Row) -> bool:
    if row.text("Target") not in ("0", "1"):
        raise row.wrong(f"column Target: {row.text('Target')!r} is neither 0 nor 1")
    return row.text("Target") == "1"


def read_rsna(place: Path) -> list[Sample]:
    """@raises TrainingError for a missing file or column, an image whose lists contradict, a box out of the frame"""
    folder(place, f"RSNA's layout is {IMAGES}/, {LABELS_FILE} and {CLASSES_FILE}")
    folder(place / IMAGES, "the DICOM files of the training stage")
    classes, people = _classes(place / CLASSES_FILE), _people(place / MAPPINGS)
    rows: dict[str, list[Row]] = {}
    for row in read_rows(place / LABELS_FILE, ("patientId", *BOX, "Target")):
        rows.setdefault(row.required("patientId"), []).append(row)
    samples = []
    for image, of_image in tqdm(rows.items(), "reading headers", unit="", disable=quiet(len(rows))):
        first, positive = of_image[0], _target(of_image[0])
        if image not in classes:
            raise first.wrong(f"{image} is not in {CLASSES_FILE}")
        for row in of_image:
            if _target(row) != positive:
                raise row.wrong(f"{image} has Target {row.text('Target')} here and {first.text('Target')} above")
        if positive != (classes[image] == OPACITY):
            raise first.wrong(f"{image} has Target {first.text('Target')} but class {classes[image]!r}")
        path = place / IMAGES / f"{image}.dcm"
        told = header(path)
        boxes = [row.box((told.width, told.height), BOX) for row in of_image] if positive else [no_boxes()]
        samples.append(
            Sample(
                path,
                people.get(image, image),
                "rsna",
                "pneumonia" if positive else NORMAL,
                np.concatenate(boxes),
                age=told.age,
                sex=told.sex,
                view=told.view,
                width=told.width,
                height=told.height,
                detail=classes[image],
            )
        )
    return samples
