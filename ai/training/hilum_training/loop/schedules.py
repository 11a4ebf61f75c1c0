"""The learning rate over a run, as a share of its peak; `done` is the share of the run that is behind, 0 to 1."""
import math
from collections.abc import Callable

WARM_UP = 0.08  # the share of the run over which the rate rises
FLOOR = 0.01  # what is left at the end


def _cosine(done: float) -> float:
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2


def _one_cycle(done: float) -> float:
    """Smith 2018 (arXiv 1708.07120): a linear rise, then a cosine."""
    if done < WARM_UP:
        return 0.05 + 0.95 * done / WARM_UP
    return _cosine((done - WARM_UP) / (1 - WARM_UP))


def _step(done: float) -> float:
    """A tenth after a half, a hundredth after three quarters, as the ResNet papers do."""
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one-cycle": _one_cycle,
    "cosine": _cosine,
    "step": _step,
    "constant": lambda done: 1.0,
}


def rate(schedule: str, done: float) -> float:
    return SCHEDULES[schedule](min(1.0, max(0.0, done)))
