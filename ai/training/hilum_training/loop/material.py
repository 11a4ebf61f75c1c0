"""What a run learns from and is chosen by: the images of its sources, by part, but for what its task cannot use."""
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.duplicates import refuse_leaks
from ..data.samples import Sample, SampleSet, load_images
from ..data.sources import read_sources
from ..data.splits import part_indices, read_split
from ..errors import TrainingError
from .pool import Pool
from .task import Task


@dataclass
class Material:
    """`train` are numbers of `pool`, `classes` the class of each of them; `left_out` counts source and label of what
    the task cannot use; `record` is what the checkpoint keeps, to know the material again."""

    pool: Pool
    train: np.ndarray
    classes: list[int]
    validation: SampleSet
    left_out: Counter[tuple[str, str]]
    record: dict[str, Any]


def _digest(samples: Sequence[Sample]) -> str:
    listing = "\n".join(f"{s.source}\0{s.patient}\0{s.path.name}\0{s.label}" for s in samples)
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def _require(samples: Sequence[Sample], task: Task, part: str) -> None:
    counts = Counter(task.class_of(s) for s in samples)
    for number, label in enumerate(task.labels):
        if not counts[number]:
            raise TrainingError(f"class {label} is empty in {part}: {len(samples)} images, none of them {label}")


def load_material(specs: list[str], split_files: list[Path], size: int, cache: Path, task: Task) -> Material:
    """@raises TrainingError for bad data, a leaked patient or picture, or a class that is empty in a part"""
    found = read_sources(specs)
    left_out = Counter((s.source, s.label) for s in found if task.class_of(s) is None)
    sources = [name for name in dict.fromkeys(s.source for s in found)
               if any(s.source == name and task.class_of(s) is not None for s in found)]
    split = read_split(*split_files)
    # By source, so that the cache of decoded images serves whichever sources are combined.
    sets = []
    for name in sources:
        whole = load_images([s for s in found if s.source == name], size, cache)
        refuse_leaks(whole, split)
        sets.append(whole)
    if not sets:
        raise TrainingError(f"no image of {', '.join(specs)} has a label that task {task.name} can use")
    pool = Pool(sets)
    parts = {
        part: np.array([i for i in indices if task.class_of(pool.samples[i]) is not None], int)
        for part, indices in part_indices(pool.samples, split).items()
    }
    for part in ("train", "validation"):
        _require([pool.samples[i] for i in parts[part]], task, part)
    train = [pool.samples[i] for i in parts["train"]]
    record = {
        "data": list(specs),
        "split": [{"file": str(f), "sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in split_files],
        "images": {"train": len(train), "validation": len(parts["validation"]),
                   "digest": _digest([pool.samples[i] for part in ("train", "validation") for i in parts[part]])},
    }
    return Material(
        pool, parts["train"], [task.class_of(s) for s in train], pool.subset(parts["validation"]), left_out, record
    )
