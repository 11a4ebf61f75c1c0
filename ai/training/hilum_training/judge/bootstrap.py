"""Intervals by the percentile bootstrap over patients: a patient's images are drawn together, for they are alike."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
# Draws counted at once: 100 x 5,000 images of float64 are 4 MB for each intermediate result.
CHUNK = 100


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; None where the images do not determine it."""

    value: float | None
    low: float | None
    high: float | None

    def record(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


class Resampler:
    """Draws of the same patients for every figure of a set of images, so that two figures can be compared."""

    def __init__(self, patients: Sequence[str], draws: int = DRAWS, seed: int = 1) -> None:
        _, self._patient = np.unique(np.asarray(patients), return_inverse=True)
        count = int(self._patient.max(initial=-1)) + 1
        self.patients = count
        self._drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(1, count)), size=draws)

    def figures(
        self, of: Callable[[np.ndarray], dict[str, np.ndarray]], centred: Collection[str] = ()
    ) -> dict[str, Figure]:
        """`of` takes weights [d, n] and gives one [d] for each name. Those that are `centred` grow with the chance that
        is in a draw, as distances from 0 do: their draws are moved, so that their mean is the value."""
        plain = of(np.ones((1, len(self._patient))))
        chunks = [
            of(self._drawn[start : start + CHUNK, self._patient].astype(float))
            for start in range(0, len(self._drawn), CHUNK)
        ]
        found = {}
        for name, value in plain.items():
            drawn = np.concatenate([chunk[name] for chunk in chunks])
            drawn = drawn[np.isfinite(drawn)]
            if name in centred and len(drawn):
                drawn = (drawn + value[0] - drawn.mean()).clip(0)
            # With fewer than half of the draws determined, the rest would tell of the lucky ones.
            low, high = np.percentile(drawn, [2.5, 97.5]) if 2 * len(drawn) > len(self._drawn) else (np.nan, np.nan)
            found[name] = Figure(_number(value[0]), _number(low), _number(high))
        return found
