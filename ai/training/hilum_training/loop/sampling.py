"""Which images an epoch shows, in which order, and what each counts."""
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..data.samples import Sample

BALANCES = ("loss", "draw", "none")
Group = tuple[str, int]  # source, class


def _take(pool: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """`count` of `pool`: every one as often as any other, but for what is left over."""
    whole, rest = divmod(count, len(pool))
    return [*np.tile(pool, whole).tolist(), *rng.choice(pool, rest, replace=False).tolist()]


class Sampler:
    """Draws epochs from numbered samples.

    `balance`: "loss" shows every image once and lets the classes of each source weigh the same, so that the source
    alone says nothing; "draw" shows them equally often instead; "none" does neither. `per_epoch` bounds a source: that
    many images, the same number of each class (with "none", as they come).
    """

    def __init__(
        self, samples: Sequence[Sample], classes: Sequence[int], balance: str, per_epoch: dict[str, int]
    ) -> None:
        self._group: list[Group] = [(s.source, c) for s, c in zip(samples, classes)]
        self._balance, self._per_epoch = balance, per_epoch
        self._members: dict[str, dict[int, np.ndarray]] = {}
        for source in sorted({source for source, _ in self._group}):
            present = sorted({c for s, c in self._group if s == source})
            self._members[source] = {
                c: np.array([i for i, g in enumerate(self._group) if g == (source, c)]) for c in present
            }

    def epoch(self, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices in the order in which they are shown, and the weight of each showing (float32, 1 on average)."""
        rng = np.random.default_rng([seed, number])
        order: list[int] = []
        for source, classes in self._members.items():
            everyone = np.concatenate(list(classes.values()))
            count = self._per_epoch.get(source, len(everyone))
            if self._balance == "draw" or (source in self._per_epoch and self._balance != "none"):
                for place, members in enumerate(classes.values()):
                    order += _take(members, count // len(classes) + (place < count % len(classes)), rng)
            else:
                order += _take(everyone, count, rng)
        shown = rng.permutation(order)
        return shown, self._weights(shown)

    def _weights(self, shown: np.ndarray) -> np.ndarray:
        if self._balance == "none":
            return np.ones(len(shown), np.float32)
        groups = Counter(self._group[i] for i in shown)
        sources = Counter(self._group[i][0] for i in shown)
        classes = Counter(source for source, _ in groups)
        worth = {g: sources[g[0]] / (classes[g[0]] * count) for g, count in groups.items()}
        return np.array([worth[self._group[i]] for i in shown], np.float32)
