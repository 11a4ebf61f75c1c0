"""The training loop: resumable to the step, ending when its time or its epochs are used up."""
import copy
import json
import math
import os
import signal
import time
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from .augment import augment
from .legacy_data import ImageSet, load_kermany, load_phantoms, load_siim, split
from .errors import TrainingError
from .evaluate import quick
from .loss import total_loss
from .networks.detector import Detector

EMA_DECAY = 0.998  # an average over about the last 500 steps: three epochs
WARM_UP = 0.08  # the share of the run over which the rate rises
SAVE_EVERY = 100  # steps; what a killed run loses at most
CLIP_NORM = 8.0


@dataclass
class Progress:
    """Where a run stands. `order` is the current epoch's list of (set, index), so that a resumed epoch is the same."""

    step: int = 0
    epoch: int = -1
    position: int = 0
    seconds: float = 0.0
    order: list[tuple[str, int]] | None = None


def draw_epoch(sets: dict[str, ImageSet], a: Namespace, epoch: int) -> list[tuple[str, int]]:
    """All of SIIM, `a.kermany` images of Kermany (half of them normal), `a.phantoms` phantoms; in a seeded order."""
    rng = np.random.default_rng([a.seed, epoch])
    order = [("siim", i) for i in range(len(sets["siim"].items))]
    positive = np.array([item.positive for item in sets["kermany"].items])
    for label in (True, False):
        pool = np.flatnonzero(positive == label)
        order += [("kermany", int(i)) for i in rng.choice(pool, min(a.kermany // 2, len(pool)), replace=False)]
    if "phantom" in sets:
        n = len(sets["phantom"].items)
        order += [("phantom", int(i)) for i in rng.choice(n, min(a.phantoms, n), replace=False)]
    return [order[i] for i in rng.permutation(len(order))]


def label_weights(images: ImageSet) -> tuple[float, float]:
    """Weights of a negative and a positive that make both count the same, so that the source says nothing."""
    share = np.mean([item.positive for item in images.items])
    return 0.5 / (1 - share + 1e-6), 0.5 / (share + 1e-6)


def rate(done: float, peak: float) -> float:
    """One cycle: a linear rise, then a cosine down to a hundredth of the peak. `done` in 0 to 1."""
    if done < WARM_UP:
        return peak * (0.05 + 0.95 * done / WARM_UP)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1, (done - WARM_UP) / (1 - WARM_UP)))) / 2)


def update_average(average: Detector, network: Detector, step: int) -> None:
    """Exponential moving average of weights and batch statistics, quicker at the beginning."""
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), network.state_dict().values()):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)


def save(path: Path, **parts: object) -> None:
    """Write beside, then rename: a run that is killed here leaves the last good checkpoint."""
    torch.save(parts, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def log(out: Path, **line: object) -> None:
    print(json.dumps(line), flush=True)
    with open(out / "log.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")


def train(a: Namespace) -> None:
    """Train from scratch, or go on from `a.out`/last.pt. @raises TrainingError on missing data or a NaN loss."""
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    data, out = Path(a.data), Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    parts = [split(load_siim(data)), split(load_kermany(data))]
    sets, held = {t.name: t for t, _ in parts}, [h for _, h in parts]

    network = Detector(a.backbone).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}])
    at, last = Progress(), out / "last.pt"
    if last.exists():
        kept = torch.load(last)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
        at = Progress(**kept["progress"])
    before, started = at.seconds, time.monotonic()

    def done() -> float:
        at.seconds = before + time.monotonic() - started
        if a.minutes:
            return at.seconds / (60 * a.minutes)
        return (at.epoch + at.position / len(at.order)) / a.epochs if at.order else 0.0

    def keep() -> None:
        save(last, backbone=a.backbone, network=network.state_dict(), average=average.state_dict(),
             optimizer=optimizer.state_dict(), progress=asdict(at))

    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    recent: list[dict[str, float]] = []
    while done() < 1 and not stop:
        if at.order is None or at.position >= len(at.order):
            if at.order is not None and (at.epoch + 1) % a.evaluate_every == 0:
                log(out, epoch=at.epoch, seconds=round(at.seconds), held_out=quick(average, held))
            at.epoch, at.position = at.epoch + 1, 0
            phantoms = load_phantoms(data)
            if phantoms:
                sets["phantom"] = phantoms
            at.order = draw_epoch(sets, a, at.epoch)
        elif any(name not in sets for name, _ in at.order):
            sets["phantom"] = load_phantoms(data) or sets["siim"]
        weights = {name: label_weights(s) for name, s in sets.items()}
        batch = at.order[at.position:at.position + a.batch]
        items = [sets[name].items[i] for name, i in batch]
        pixels = np.stack([sets[name].images[i] for name, i in batch])
        x, boxes = augment(torch.from_numpy(pixels).unsqueeze(1).float() / 255, [item.boxes for item in items],
                           np.random.default_rng([a.seed, 1, at.step]))
        now = rate(done(), a.rate)
        for group in optimizer.param_groups:
            group["lr"] = now
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not a.float32):
            outputs = network(x.contiguous(memory_format=torch.channels_last))
        loss, values = total_loss(
            outputs, boxes, torch.tensor([float(item.positive) for item in items]),
            torch.tensor([float(item.located) for item in items]),
            torch.tensor([weights[name][item.positive] for (name, _), item in zip(batch, items)]))
        if not math.isfinite(float(loss)):
            raise TrainingError(f"loss is not finite at step {at.step}: lower --rate, or go on from {last}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimizer.step()
        update_average(average, network, at.step)
        at.step, at.position = at.step + 1, at.position + a.batch
        recent.append(values)
        if at.step % 20 == 0:
            means = {k: round(float(np.mean([r[k] for r in recent])), 4) for k in values}
            log(out, step=at.step, epoch=at.epoch, seconds=round(at.seconds), rate=round(now, 6), **means)
            recent.clear()
        if at.step % SAVE_EVERY == 0:
            keep()
    keep()
    if not stop:
        log(out, finished=True, epoch=at.epoch, step=at.step, held_out=quick(average, held))
