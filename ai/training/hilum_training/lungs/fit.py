"""Training the model of the lungs: every step sees as many outlined radiographs as boxed ones."""
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import TrainingError
from ..loop.augment import PRESETS, Augmentation, along, place, reshade
from ..loop.checkpoint import Progress, kept_progress, read_last, save
from ..loop.learner import Learner, Manner, pick_device, pick_precision
from ..loop.log import Log
from ..loop.schedules import rate
from ..networks.lungs import LungFinder
from .loss import BOX_WEIGHT, box_loss, outline_loss
from .material import FINE, Lungs, Where, halved, load_parts, lung_boxes, seen
from .measure import around, dice, drawn, overlap

# Before that share of the run, boxes are not learnt from: what is no lung yet meets them by any shape.
BOXES_FROM = 0.2
# Decay of the average of weights: a run is short, and 0.998 would keep too much of its beginning.
EMA = 0.99
CLIP = 4.0
NO_BOXES = np.zeros((0, 4), np.float32)


def sorted_sides(masks: Tensor) -> Tensor:
    """Masks [n, 2, s, s], the first the lung on the left of the image: mirroring exchanges them."""
    columns = torch.arange(masks.shape[-1], device=masks.device).float()
    centres = (masks.sum(2) * columns).sum(2) / masks.sum((2, 3)).clamp(min=1e-6)
    wrong = centres[:, 0] > centres[:, 1]
    masks[wrong] = masks[wrong].flip(1)
    return masks


def batch(lungs: Lungs, half: int, how: Augmentation, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Images [2 half, 1, s, s], masks [half, 2, s, s] of the first half, boxes [half, 4] in pixels of the other, zeros
    where too little of the lungs is left in the frame."""
    drawn_at = rng.choice(len(lungs.outlined.images), half), rng.choice(len(lungs.boxed), half)
    images = seen(np.concatenate([lungs.outlined.images.images[drawn_at[0]], lungs.boxed.images[drawn_at[1]]]))
    boxes = list(lung_boxes([lungs.boxed.samples[i] for i in drawn_at[1]])[:, None] * FINE)
    images, boxes, grid = place(images, [NO_BOXES] * half + boxes, how, rng)
    masks = along(torch.from_numpy(lungs.outlined.masks.at(drawn_at[0])).float(), grid[:half])
    left = np.stack([box[0] if len(box) else np.zeros(4, np.float32) for box in boxes[half:]])
    images, masks = halved(reshade(images, how, rng)), sorted_sides(halved(masks))
    return images, masks, torch.from_numpy(left) * (images.shape[-1] / FINE)


def validate(learner: Learner, lungs: Lungs, size: int = 32) -> dict[str, float]:
    """Mean dice of the outlined, mean overlap of the boxes around both lungs of the boxed; `score` is their mean."""
    def ask(images: np.ndarray) -> np.ndarray:
        parts = np.array_split(images, 1 + len(images) // size)
        return drawn(np.concatenate([learner.ask(halved(seen(part)))[0].float().cpu().numpy() for part in parts]))

    right = float(dice(ask(lungs.outlined.images.images), lungs.truth()).mean())
    box = float(overlap(around(ask(lungs.boxed.images)), lung_boxes(lungs.boxed.samples)).mean())
    return {"dice": right, "boxOverlap": box, "score": (right + box) / 2}


def _configuration(a: Namespace, where: Where) -> dict[str, Any]:
    options = {k: v for k, v in vars(a).items() if k not in ("run", "command", "sub")}
    return {"task": "lungs", "widths": list(a.widths), "seed": a.seed, **where.record(), "options": options}


class Fit:
    """One run in progress; see loop/fit.py, whose checkpoints and log these are."""

    def __init__(self, a: Namespace, where: Where, parts: dict[str, Lungs]) -> None:
        self._a, self._parts, self._config = a, parts, _configuration(a, where)
        self._device = pick_device(a.device)
        precision = pick_precision(a.precision, self._device)
        manner = Manner("adamw", a.decay, 1.0, CLIP, EMA, self._device, precision)
        self._learner = Learner(LungFinder(tuple(a.widths)), manner)
        self._out, self._last, self.at = Path(a.out), Path(a.out) / "last.pt", Progress()
        if self._last.exists():
            kept, self.at = read_last(self._last, self._config)
            self._learner.restore(kept, self._last)
        self._began = time.monotonic() - self.at.seconds
        self._out.mkdir(parents=True, exist_ok=True)
        self.log = Log(self._out, self.at.log_bytes, self.at.step, self.at.step / a.steps)

    def _keep(self) -> None:
        self.at.log_bytes = self.log.bytes
        save(self._last, config=self._config, **self._learner.state(), progress=kept_progress(self.at))

    def _step(self) -> None:
        a, at = self._a, self.at
        done = at.step / a.steps
        # Drawn from the step's own number: a step that is run again sees the same.
        rng = np.random.default_rng([a.seed, at.step])
        shown = batch(self._parts["train"], a.batch // 2, PRESETS[a.augment], rng)
        images, masks, boxes = (part.to(self._device) for part in shown)
        half = len(masks)

        def loss(outputs: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, float]]:
            logits = outputs[0]
            outline, box = outline_loss(logits[:half], masks), box_loss(logits[half:], boxes)
            total = outline + BOX_WEIGHT * box if done >= BOXES_FROM else outline
            right = ((logits[:half] >= 0) == (masks >= 0.5)).float().mean()
            return total, {"loss": float(total.detach()), "accuracy": float(right), "box": float(box.detach())}

        now = a.rate * rate("one-cycle", done)
        told = self._learner.step(images, loss, now, at.step, frozen=False)
        at.step, at.seconds = at.step + 1, time.monotonic() - self._began
        at.recent.append(told)
        if len(at.recent) >= a.log_every:
            means = {k: float(np.mean([r[k] for r in at.recent])) for k in told}
            at.recent.clear()
            self.log.steps(at.step, at.epoch, at.step / a.steps, at.step / a.steps, at.seconds, now, means)

    def _validate(self) -> None:
        at = self.at
        at.figures, at.validated = validate(self._learner, self._parts["validation"]), at.step
        self.log.validation(at.step, at.epoch, at.step / self._a.steps, at.seconds, at.figures, best=False)

    def run(self, stop: Callable[[int], bool]) -> dict[str, float] | None:
        """The figures of the last validation; None if `stop` ended the run before.

        @raises TrainingError if the loss is not finite
        """
        a, at = self._a, self.at
        while at.step < a.steps:
            if stop(at.step):
                self._keep()
                self.log.say(f"stopped at step {at.step}; the same command goes on from there")
                return None
            self._step()
            if at.step % a.validate_every == 0 or at.step == a.steps:
                self._validate()
                self._keep()
        if not at.finished:
            at.finished = True
            self._keep()
        return at.figures


def fit(a: Namespace, stop: Callable[[int], bool] = lambda step: False) -> dict[str, float] | None:
    """Train, or go on with the run in a.out. @raises TrainingError for bad input, or another run in a.out"""
    if a.batch % 2:
        raise TrainingError(f"--batch {a.batch}: half of it is outlined, half boxed, so it must be even")
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    where = Where(a.data, a.masks, a.boxed, a.split, a.cache)
    parts = load_parts(where, ("train", "validation"))
    for part, lungs in parts.items():
        out = "; ".join(f"{count} {why}" for why, count in sorted(lungs.outlined.masks.left_out.items()))
        counts = f"{len(lungs.outlined.images)} images with outlined lungs, {len(lungs.boxed)} with a box around them"
        print(f"{part}: {counts}{f'; masks left out: {out}' if out else ''}", flush=True)
    going = Fit(a, where, parts)
    try:
        return going.run(stop)
    finally:
        going.log.close()
