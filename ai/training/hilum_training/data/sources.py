"""Where radiographs come from: KIND:PATH, one adapter a kind."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ..errors import TrainingError
from .kermany import read_kermany
from .phantom import read_phantoms
from .rsna import read_rsna
from .samples import Sample
from .siim import read_siim
from .table import read_table

SOURCES: dict[str, Callable[[Path], list[Sample]]] = {
    "kermany": read_kermany,
    "siim": read_siim,
    "rsna": read_rsna,
    "csv": read_table,
    "phantom": read_phantoms,
}


def read_source(spec: str) -> list[Sample]:
    """The radiographs of `spec`, such as kermany:data/kermany-train or csv:data/own.csv; nothing is decoded yet.

    @raises TrainingError for an unknown kind, for what is wrong in the source, and if it holds no image
    """
    kind, colon, place = spec.partition(":")
    if kind not in SOURCES or not colon or not place:
        raise TrainingError(f"unknown data {spec!r}: say KIND:PATH, where KIND is one of {', '.join(SOURCES)}")
    samples = SOURCES[kind](Path(place))
    if not samples:
        raise TrainingError(f"{spec} holds no images")
    return samples


def read_sources(specs: list[str]) -> list[Sample]:
    """All of several sources, in their order. @raises TrainingError also if one image comes twice."""
    samples = [sample for spec in specs for sample in read_source(spec)]
    path, times = Counter(sample.path.resolve() for sample in samples).most_common(1)[0]
    if times > 1:
        raise TrainingError(f"{path} is given {times} times in {', '.join(specs)}")
    return samples
