"""Which patient is trained on, tuned on, judged on: a CSV of source, patient, part, fixed once and kept.

By patient, never by image: two radiographs of one person are alike, and a model that has seen one knows the other.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import TrainingError
from .listing import read_rows
from .samples import Sample, SampleSet

PARTS = ("train", "validation", "test")
Patient = tuple[str, str]  # source, patient
Split = dict[Patient, str]
Samples = TypeVar("Samples", list[Sample], SampleSet)


def patient_of(sample: Sample) -> Patient:
    return sample.source, sample.patient


def read_split(*files: Path) -> Split:
    """One split out of one or several files. @raises TrainingError if a patient is in two parts, a part unknown"""
    split: Split = {}
    for file in files:
        for row in read_rows(Path(file), ("source", "patient", "part")):
            patient, part = (row.required("source"), row.required("patient")), row.required("part")
            if part not in PARTS:
                raise row.wrong(f"unknown part {part!r}: one of {', '.join(PARTS)}")
            if split.setdefault(patient, part) != part:
                raise row.wrong(f"leaked patient: {patient[1]} of {patient[0]} is in {part} and in {split[patient]}")
    if not split:
        raise TrainingError(f"no patients in {', '.join(map(str, files)) or 'the split: no file given'}")
    return split


def write_split(file: Path, split: Split) -> None:
    """Beside, then renamed. @raises TrainingError if the file is there already: a split is drawn once."""
    if file.exists():
        raise TrainingError(f"{file} exists: a split is drawn once; remove it if no model was trained with it")
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    with open(partial, "w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["source", "patient", "part"])
        writer.writerows([*patient, part] for patient, part in sorted(split.items()))
    partial.rename(file)


def _draw(patient: Patient, seed: int) -> str:
    """What orders the patients: by chance, but the same on every machine and in whatever order images come."""
    return hashlib.sha256(f"{seed}\0{patient[0]}\0{patient[1]}".encode()).hexdigest()


def _together(samples: list[Sample], same: list[tuple[Patient, Patient]]) -> dict[Patient, Patient]:
    """Each patient's group, named by one of it: those linked by `same` are taken for one person."""
    group = {patient_of(sample): patient_of(sample) for sample in samples}

    def head(patient: Patient) -> Patient:
        while group[patient] != patient:
            patient = group[patient]
        return patient

    for one, other in same:
        first, second = sorted((head(one), head(other)))
        group[second] = first
    return {patient: head(patient) for patient in group}


def _strata(samples: list[Sample], group: dict[Patient, Patient]) -> list[list[Patient]]:
    """Groups of patients that are alike in source and in the labels that their images have."""
    labels: dict[Patient, set[str]] = defaultdict(set)
    for sample in samples:
        labels[group[patient_of(sample)]].add(sample.label)
    strata: dict[tuple[str, ...], list[Patient]] = defaultdict(list)
    for patient, of_patient in labels.items():
        strata[patient[0], *sorted(of_patient)].append(patient)
    return [strata[key] for key in sorted(strata)]


def make_split(
    samples: list[Sample],
    seed: int,
    shares: tuple[float, float, float],
    kept: Split | None = None,
    same: list[tuple[Patient, Patient]] | None = None,
) -> Split:
    """Parts drawn by chance within each source and label. Patients in `kept` stay where they are; pairs in `same` are
    one person under two names, and go together.

    `shares` are those of train, validation and test, and sum to 1.
    @raises TrainingError if the shares do not, or if a part would be left without a class
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise TrainingError(f"shares {' '.join(f'{s:g}' for s in shares)}: each 0 or more, together 1")
    split = dict(kept or {})
    group = _together(samples, same or [])
    part_of = {group[patient]: part for patient, part in split.items() if patient in group}
    for heads in _strata(samples, group):
        new = sorted((head for head in heads if head not in part_of), key=lambda head: _draw(head, seed))
        ends = np.round(np.cumsum(shares) * len(new)).astype(int)
        for i, head in enumerate(new):
            part_of[head] = PARTS[int(np.searchsorted(ends, i, "right"))]
    for patient, head in group.items():
        split.setdefault(patient, part_of[head])
    wanted = sorted({sample.label for sample in samples})
    for part, indices in part_indices(samples, split).items():
        if shares[PARTS.index(part)] > 0:
            require_classes([samples[i] for i in indices], wanted, part)
    return split


def part_indices(samples: list[Sample], split: Split) -> dict[str, np.ndarray]:
    """Indices of the samples of each part. @raises TrainingError if a patient is in none"""
    found: dict[str, list[int]] = {part: [] for part in PARTS}
    for i, sample in enumerate(samples):
        # Phantoms are nobody's patients: without a line in the split they are trained on.
        part = split.get(patient_of(sample)) or ("train" if sample.source == "phantom" else None)
        if part is None:
            raise TrainingError(
                f"patient {sample.patient} of {sample.source} is in no part of the split: "
                f"draw one with `train split`, or extend one with its --keep ({sample.path})"
            )
        found[part].append(i)
    return {part: np.array(indices, int) for part, indices in found.items()}


def parts(samples: Samples, split: Split) -> dict[str, Samples]:
    """train, validation and test of a list of samples or of a set. @raises TrainingError if a patient is in none"""
    if isinstance(samples, SampleSet):
        return {part: samples.subset(at) for part, at in part_indices(samples.samples, split).items()}
    return {part: [samples[i] for i in at] for part, at in part_indices(samples, split).items()}


def require_classes(samples: list[Sample], labels: list[str], where: str) -> None:
    """@raises TrainingError if a class has no image among `samples`; `where` names them"""
    present = {sample.label for sample in samples}
    for label in labels:
        if label not in present:
            raise TrainingError(f"class {label} is empty in {where}: {len(samples)} images, none of them {label}")


def folds(samples: list[Sample], count: int, seed: int, same: Sequence[tuple[Patient, Patient]] = ()) -> np.ndarray:
    """A fold from 0 to count - 1 for each sample, by patient, balanced within each source and label: int [n]. Pairs in
    `same` are one person under two names."""
    fold: dict[Patient, int] = {}
    ours = {patient_of(sample) for sample in samples}
    group = _together(samples, [pair for pair in same if ours.issuperset(pair)])
    for patients in _strata(samples, group):
        # Going on where the last stratum ended, or the first folds would get the remainder of each.
        for patient in sorted(patients, key=lambda p: _draw(p, seed)):
            fold[patient] = len(fold) % count
    return np.array([fold[group[patient_of(sample)]] for sample in samples], int)
