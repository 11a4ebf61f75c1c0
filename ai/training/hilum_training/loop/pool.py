"""The images of several sources as one numbered row, without copying them together: a set may take gigabytes."""
from collections.abc import Sequence

import numpy as np

from ..data.samples import Sample, SampleSet


class Pool:
    """Images of all sets, numbered through in their order; all of one size."""

    def __init__(self, sets: Sequence[SampleSet]) -> None:
        self._sets = list(sets)
        self.samples: list[Sample] = [sample for one in sets for sample in one.samples]
        self._start = np.cumsum([0, *(len(one) for one in sets)])

    @property
    def size(self) -> int:
        return self._sets[0].size

    def pixels(self, indices: Sequence[int]) -> np.ndarray:
        """uint8 [k, size, size]."""
        of = np.searchsorted(self._start, indices, side="right") - 1
        return np.stack([self._sets[s].images[i - self._start[s]] for s, i in zip(of, indices)])

    def subset(self, indices: Sequence[int]) -> SampleSet:
        return SampleSet([self.samples[i] for i in indices], self.pixels(indices))
