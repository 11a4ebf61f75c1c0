"""A run from its first step, or from where it was left, to its last: draw, change, learn, validate, keep."""
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import TrainingError
from .answers import Teachers
from .augment import Augmentation, augment
from .checkpoint import Progress, kept_progress, read_last, save
from .learner import Learner
from .log import Log
from .material import Material
from .pictures import grid
from .sampling import Sampler
from .schedules import rate
from .task import Task

Stop = Callable[[int], bool]
SHOWN = 8  # pictures for TensorBoard


@dataclass
class Run:
    """What `fit` was asked for, made ready: see setup.py."""

    a: Namespace
    out: Path
    config: dict[str, Any]
    task: Task
    material: Material
    learner: Learner
    teachers: Teachers | None
    augmentation: Augmentation
    device: str
    peak: float


class Fit:
    """One run in progress. `stop` is asked before every step whether the run is to be kept and left there."""

    def __init__(self, run: Run, stop: Stop) -> None:
        self._run, self._stop = run, stop
        self.at = Progress()
        self._last = run.out / "last.pt"
        if self._last.exists():
            kept, self.at = read_last(self._last, run.config)
            run.learner.restore(kept, self._last)
        material, a = run.material, run.a
        samples = [material.pool.samples[i] for i in material.train]
        self._sampler = Sampler(samples, material.classes, a.balance, dict(a.per_epoch))
        self._before, self._started = self.at.seconds, time.monotonic()
        self._draw_epoch()
        self.log = Log(run.out, self.at.log_bytes, self.at.step, self._done())

    def _draw_epoch(self) -> None:
        order, self._weights = self._sampler.epoch(self._run.a.seed, self.at.epoch)
        # Batch normalisation cannot be trained on a last batch of one.
        self._order = order[:-1] if len(order) % self._run.a.batch == 1 else order

    def _passed(self) -> float:
        """Epochs behind, with a fraction."""
        return self.at.epoch + self.at.position / len(self._order)

    def _done(self) -> float:
        self.at.seconds = self._before + time.monotonic() - self._started
        a = self._run.a
        return self.at.seconds / (60 * a.minutes) if a.minutes else self._passed() / a.epochs

    def _keep(self) -> None:
        self.at.log_bytes = self.log.bytes
        save(self._last, config=self._run.config, **self._run.learner.state(), progress=kept_progress(self.at))

    def _batch(self) -> tuple[torch.Tensor, list[np.ndarray], list, torch.Tensor]:
        """Changed images, their boxes in pixels, their samples, and what each counts."""
        run, at = self._run, self.at
        shown = slice(at.position, at.position + run.a.batch)
        chosen = run.material.train[self._order[shown]]
        pixels = run.material.pool.pixels(chosen)
        samples = [run.material.pool.samples[i] for i in chosen]
        images = torch.from_numpy(pixels).unsqueeze(1).to(run.device).float() / 255
        # Drawn from the step's own number: a step that is run again sees the same, whatever came before.
        rng = np.random.default_rng([run.a.seed, 1, at.step])
        images, boxes = augment(images, [s.boxes * pixels.shape[-1] for s in samples], run.augmentation, rng)
        return images, boxes, samples, torch.from_numpy(self._weights[shown])

    def _step(self, done: float) -> None:
        run, at = self._run, self.at
        images, boxes, samples, weight = self._batch()
        if at.position == 0 and self.log.wants("train/batch"):
            self._show("train/batch", images, boxes)
        targets = run.task.targets(samples, boxes, images.shape[-1]).to(run.device)
        weight = weight.to(run.device)
        rng = np.random.default_rng([run.a.seed, 2, at.step])
        torch.manual_seed(int(rng.integers(2**62)))  # of dropout
        if run.a.mixup:
            share, partner = float(rng.beta(run.a.mixup, run.a.mixup)), torch.from_numpy(rng.permutation(len(images)))
            partner = partner.to(run.device)
            images = share * images + (1 - share) * images[partner]
            targets, weight = run.task.mixed(targets, partner, share), share * weight + (1 - share) * weight[partner]
        if run.teachers:
            targets = run.task.taught(targets, run.teachers.ask(images), run.a.distil_weight)
        now = run.peak * rate(run.a.schedule, done)
        frozen = at.epoch < run.a.freeze_backbone
        told = run.learner.step(images, lambda outputs: run.task.loss(outputs, targets, weight), now, at.step, frozen)
        at.step, at.position = at.step + 1, at.position + len(samples)
        at.recent.append(told)
        if len(at.recent) >= run.a.log_every:
            means = {k: float(np.mean([r[k] for r in at.recent])) for k in told}
            at.recent.clear()
            self.log.steps(at.step, at.epoch, self._passed(), self._done(), at.seconds, now, means)

    def _show(self, tag: str, images: torch.Tensor, boxes: list[np.ndarray], heat: np.ndarray | None = None) -> None:
        self.log.picture(self.at.step, tag, grid(images[:SHOWN, 0].float().cpu().numpy(), boxes[:SHOWN], heat))

    def _show_found(self) -> None:
        """A few validation images, with what the network points at."""
        images = self._run.material.validation
        some = np.linspace(0, len(images) - 1, min(SHOWN, len(images))).astype(int)
        x = torch.from_numpy(images.images[some]).unsqueeze(1).float() / 255
        heat = self._run.task.heat(self._run.learner.ask(x)).cpu().numpy()
        self._show("validation/found", x, [images.samples[i].boxes * images.size for i in some], heat)

    def _validate(self, epoch: int) -> None:
        run, at = self._run, self.at
        images = run.material.validation
        at.figures = run.task.validate(run.learner.ask, images, run.a.batch)
        at.validated = at.step
        loss = at.figures["loss"]
        better = at.best.saw(-loss if run.a.choose_by == "loss" else at.figures["score"], loss, epoch)
        if self.log.wants("validation/found"):
            self._show_found()
        self.log.validation(at.step, epoch, self._passed(), at.seconds, at.figures, better)
        if better:
            save(run.out / "best.pt", config=run.config, **run.learner.weights(), progress=kept_progress(at))

    def _end_epoch(self) -> None:
        if (self.at.epoch + 1) % self._run.a.validate_every == 0:
            self._validate(self.at.epoch)
        self.at.epoch, self.at.position = self.at.epoch + 1, 0
        self._draw_epoch()
        self._keep()

    def run(self) -> dict[str, float] | None:
        """The figures of the last validation, or None if the run was stopped before its end.

        @raises TrainingError naming the step if the loss is not finite; last.pt is left as it was
        """
        at, a = self.at, self._run.a
        exhausted = at.best.exhausted(a.patience)
        while (done := self._done()) < 1 and not exhausted:
            if self._stop(at.step):
                self._keep()
                self.log.say(f"stopped at step {at.step}; the same command goes on from there")
                return None
            at.finished = False
            try:
                self._step(done)
            except TrainingError as reason:
                kept = f"{self._last} is as it was" if self._last.exists() else "nothing was kept yet"
                raise TrainingError(f"{reason}: {kept}; try a lower --rate, in another --out") from reason
            if at.position >= len(self._order):
                self._end_epoch()
                exhausted = at.best.exhausted(a.patience)
            elif at.step % a.save_every == 0:
                self._keep()
        self._finish(exhausted)
        return at.figures

    def _finish(self, early: bool) -> None:
        at = self.at
        if at.validated != at.step:
            self._validate(at.epoch - (at.position == 0))
        if at.finished:
            self.log.say(f"{self._run.out} is finished already: {at.step} steps")
            return
        at.finished = True
        self.log.draw()
        self.log.line(finished=True, step=at.step, epoch=at.best.epoch, early=early, best=at.best.score)
        self._keep()
        self.log.say(
            f"{'stopped early' if early else 'finished'} after {at.step} steps and {at.seconds / 60:.1f} minutes; "
            f"best score {at.best.score:.4f} after epoch {at.best.epoch + 1}"
        )
