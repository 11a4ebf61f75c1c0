"""Cross-validation by patient: what a way of training gives, and how much of that is the luck of the draw."""
import json
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from ..data.duplicates import same_people
from ..data.samples import Sample, load_images
from ..data.sources import read_sources
from ..data.splits import Patient, Split, folds, patient_of, read_split, write_split
from ..errors import TrainingError
from .fit import Stop
from .setup import fit

NAME = "cross-validation.json"


def fold_splits(samples: list[Sample], split: Split, count: int, seed: int, same: Sequence[tuple[Patient, Patient]] = ()) -> list[Split]:
    """For each fold: it validates, the others train, the test part stays. @raises TrainingError for too few patients"""
    # Phantoms are nobody's patients: they may teach, but nothing is to be proved on them.
    ours = [s for s in samples if s.source != "phantom" and split.get(patient_of(s), "train") != "test"]
    patients = {patient_of(s) for s in ours}
    if not 2 <= count <= len(patients):
        raise TrainingError(f"--folds {count}: there are {len(patients)} patients outside the test part")
    number = {patient_of(s): int(n) for s, n in zip(ours, folds(ours, count, seed, same))}
    rest = {patient: part for patient, part in split.items() if patient not in number}
    return [rest | {p: "validation" if n == k else "train" for p, n in number.items()} for k in range(count)]


def interval(values: list[float]) -> dict[str, Any]:
    """Mean and 95 % interval of the mean over the folds (Student's t). Folds share images: a little too narrow."""
    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4),
            "folds": [round(v, 4) for v in values]}


def _write(file: Path, content: Any) -> None:
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, file)


def _split_file(folder: Path, split: Split) -> Path:
    """@raises TrainingError if the fold was drawn from other data"""
    file = folder / "split.csv"
    if not file.exists():
        write_split(file, split)
    elif read_split(file) != split:
        raise TrainingError(
            f"{file} divides other patients: give another --out, or the same --data, --split, --folds and --seed"
        )
    return file


def cross_validate(a: Namespace, stop: Stop) -> dict[str, Any] | None:
    """Train every fold as `fit` would and write cross-validation.json; None if `stop` ended it before.

    The figures are those of the last weights, not of the best: choosing them on the fold would flatter it.
    """
    out, samples = Path(a.out), read_sources(a.data)
    same = same_people(load_images(samples, a.size, Path(a.cache)))
    splits = fold_splits(samples, read_split(*map(Path, a.split)), a.folds, a.seed, same)
    results: list[dict[str, float]] = []
    for k, split in enumerate(splits):
        folder = out / f"fold-{k + 1}"
        file = _split_file(folder, split)
        print(f"fold {k + 1} of {a.folds}", flush=True)
        figures = fit(Namespace(**{**vars(a), "out": str(folder), "split": [str(file)]}), stop)
        if figures is None:
            return None
        results.append(figures)
    common = [name for name in results[0] if name not in ("n", "score") and all(name in r for r in results)]
    summary = {
        "arch": a.arch,
        "task": a.task,
        "size": a.size,
        "data": a.data,
        "folds": a.folds,
        "seed": a.seed,
        "epochs": a.epochs,
        "minutes": a.minutes,
        "images": [r["n"] for r in results],
        "weights": "last",
        "figures": {name: interval([r[name] for r in results]) for name in common},
    }
    _write(out / NAME, summary)
    for name, one in summary["figures"].items():
        print(f"{name}: {one['mean']:.4f} ({one['low']:.4f} to {one['high']:.4f})")
    return summary
