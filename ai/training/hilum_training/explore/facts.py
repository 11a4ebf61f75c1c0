"""The figures of the report as plain values, for explore.json."""

from collections import Counter

import numpy as np

from ..data.duplicates import Pair
from ..data.samples import Sample
from .exploration import Exploration
from .findings import findings
from .shortcuts import shortcuts

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


def spread(values: list[float]) -> dict[str, float] | None:
    """Count, mean and quantiles, or None where nothing is known."""
    if not len(values):
        return None
    at = np.quantile(values, QUANTILES)
    return {"known": len(values), "mean": round(float(np.mean(values)), 4)} | {
        f"p{round(100 * q)}": round(float(v), 4) for q, v in zip(QUANTILES, at)
    }


def ages(samples: list[Sample]) -> list[float]:
    return [sample.age for sample in samples if sample.age is not None]


def aspects(samples: list[Sample]) -> list[float]:
    """Width over height of the radiographs whose size as taken is known."""
    return [sample.width / sample.height for sample in samples if sample.width and sample.height]


def counts(e: Exploration, source: str) -> dict[str, dict[str, dict[str, int]]]:
    """Images and patients by label and part."""
    table = {}
    for label in e.labels_of(source):
        table[label] = {}
        for part in e.part_names:
            at = e.where(source, label, part)
            table[label][part] = {"images": len(at), "patients": len({e.samples[i].patient for i in at})}
    return table


def boxes(samples: list[Sample]) -> dict:
    boxed = [sample for sample in samples if len(sample.boxes)]
    if not boxed:
        return {"total": 0}
    every = np.concatenate([sample.boxes for sample in boxed])
    sides = every[:, 2:] - every[:, :2]
    return {
        "total": len(every),
        "anImage": {str(k): n for k, n in sorted(Counter(len(sample.boxes) for sample in samples).items())},
        "width": spread(sides[:, 0]),
        "height": spread(sides[:, 1]),
        "area": spread(sides.prod(1)),
        "positivesWithoutBox": sum(sample.positive and not len(sample.boxes) for sample in samples),
    }


def of_source(e: Exploration, source: str) -> dict:
    at = e.where(source)
    samples = [e.samples[i] for i in at]
    return {
        "images": len(samples),
        "patients": len({sample.patient for sample in samples}),
        "counts": counts(e, source),
        "details": dict(Counter(sample.detail for sample in samples if sample.detail).most_common()),
        "imagesAPatient": spread(list(Counter(sample.patient for sample in samples).values())),
        "age": spread(ages(samples)),
        "sex": dict(Counter(sample.sex or "unknown" for sample in samples).most_common()),
        "view": dict(Counter(sample.view or "unknown" for sample in samples).most_common()),
        "width": spread([sample.width for sample in samples if sample.width]),
        "height": spread([sample.height for sample in samples if sample.height]),
        "aspect": spread(aspects(samples)),
        "boxes": boxes(samples),
        "gray": {"mean": spread(e.gray.mean[at]), "contrast": spread(e.gray.contrast[at])},
        "shortcuts": shortcuts(e, source),
    }


def name(e: Exploration, i: int) -> dict[str, str]:
    sample = e.samples[i]
    return {
        "file": str(sample.path),
        "source": sample.source,
        "patient": sample.patient,
        "label": sample.label,
        "part": e.parts[i],
    }


def _pairs(e: Exploration, pairs: list[Pair]) -> list[dict]:
    return [
        {"first": name(e, p.first), "second": name(e, p.second), "bits": p.distance, "likeness": p.likeness}
        for p in pairs
    ]


def facts(e: Exploration) -> dict:
    """All of it. `findings` as in findings.py; `near` pairs with the bits apart and the likeness of their detail."""
    return {
        "images": len(e.samples),
        "size": e.images.size,
        "parts": {part: e.parts.count(part) for part in e.part_names},
        "sources": {source: of_source(e, source) for source in e.sources},
        "findings": [vars(finding) for finding in findings(e)],
        "duplicates": {
            "exact": [[name(e, i) for i in group] for group in e.copies],
            "near": _pairs(e, e.pairs),
            "doubtful": _pairs(e, e.doubtful),
        },
    }
