"""What a run tells while it goes: log.jsonl for machines, a bar or plain lines for people, TensorBoard, curves.png."""
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .curves import draw_curves
from .tensorboard import EventWriter

# Drawing takes a second, which an epoch of a small set does too.
DRAW_EVERY = 30.0  # seconds

def clock(seconds: float) -> str:
    """3:05 or 1:02:03; ? while nothing is known."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}


class Log:
    """`done` is the share of the run that is behind, 0 to 1; time left is reckoned from what this process did of it."""

    def __init__(self, out: Path, kept_bytes: int, step: int, done: float) -> None:
        """Go on in `out`; what was written after `kept_bytes`, by a run that was killed, is dropped."""
        self._out, self._file = out, out / "log.jsonl"
        with open(self._file, "ab") as file:
            file.truncate(kept_bytes)
        self._events = EventWriter(out / "tensorboard", step)
        self._begun, self._done = time.monotonic(), done
        self._drawn: dict[str, float] = {"curves": time.monotonic()}
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=100, initial=round(100 * done, 1), bar_format="{percentage:3.0f}%|{bar}| {desc}", leave=False
            )

    @property
    def bytes(self) -> int:
        return self._file.stat().st_size

    def say(self, text: str) -> None:
        """A line for people, above the bar where there is one."""
        tqdm.write(text) if self._bar is not None else print(text, flush=True)

    def line(self, **values: Any) -> None:
        with open(self._file, "a") as file:
            file.write(json.dumps(_rounded(values)) + "\n")

    def _left(self, done: float) -> float:
        gone = done - self._done
        return (time.monotonic() - self._begun) * (1 - done) / gone if gone > 0 else math.inf

    def steps(
        self, step: int, epoch: int, passed: float, done: float, seconds: float, rate: float, means: dict[str, float]
    ) -> None:
        """The means over the steps since the last line."""
        self.line(step=step, epoch=epoch, passed=passed, seconds=round(seconds, 1), rate=rate, **means)
        self._events.scalars(step, {f"train/{k}": v for k, v in means.items()} | {"train/rate": rate})
        told = (f"epoch {epoch + 1}, step {step}: loss {means['loss']:.4f}, accuracy {means['accuracy']:.3f}, "
                f"rate {rate:.2e}, {clock(self._left(done))} left")
        if self._bar is None:
            self.say(told)
        else:
            self._bar.set_description_str(told, refresh=False)
            self._bar.update(100 * done - self._bar.n)

    def validation(
        self, step: int, epoch: int, passed: float, seconds: float, figures: dict[str, float], best: bool
    ) -> None:
        self.line(
            step=step, epoch=epoch, passed=passed, seconds=round(seconds, 1), validation=_rounded(figures), best=best
        )
        self._events.scalars(step, {f"validation/{k}": v for k, v in figures.items()})
        shown = ", ".join(f"{k} {v:.4f}" for k, v in figures.items() if k not in ("n", "score", "aucMean"))
        self.say(f"epoch {epoch + 1}, validation: {shown}{' (best so far)' if best else ''}")
        if self.wants("curves"):
            self.draw()

    def draw(self) -> None:
        draw_curves(self.lines(), self._out / "curves.png")
        self._drawn["curves"] = time.monotonic()

    def wants(self, tag: str) -> bool:
        """Whether the last picture of this name is long enough ago."""
        return time.monotonic() - self._drawn.get(tag, -math.inf) > DRAW_EVERY

    def picture(self, step: int, tag: str, pixels: np.ndarray) -> None:
        self._drawn[tag] = time.monotonic()
        self._events.image(step, tag, pixels)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    def close(self) -> None:
        self._events.close()
        if self._bar is not None:
            self._bar.close()
