"""From the arguments of `fit` to a run that is ready to go: device, data, network, weights, teachers."""
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.splits import read_split
from ..errors import TrainingError
from ..networks.backbones import ARCHITECTURES
from ..networks.build import build, read_checkpoint
from ..networks.classifier import architecture
from ..networks.origins import Origin, origin, refuse_trained
from ..networks.package_weights import SEEN, read_package, unfold
from ..networks.weights import is_package, load_published, load_weights
from .answers import Teachers
from .augment import PRESETS, Augmentation
from .classification import Classification
from .detection import Detection
from .fit import Fit, Run, Stop
from .learner import Learner, Manner, pick_device, pick_precision
from .losses import ClassLoss
from .material import Material, load_material
from .optimisers import RATES
from .options import augmentation_options
from .task import Task


def make_task(a: Namespace) -> Task:
    loss = ClassLoss(a.focal_gamma if a.loss == "focal" else 0.0, a.label_smoothing)
    return Detection(loss) if a.task == "detection" else Classification(a.task, loss)


def make_augmentation(a: Namespace) -> Augmentation:
    return replace(PRESETS[a.augment], **augmentation_options(a))


def _configuration(a: Namespace, task: Task, record: dict[str, Any]) -> dict[str, Any]:
    hidden = a.hidden
    if hidden is None:
        hidden = [] if a.arch == "detector" else architecture(a.arch).hidden
    options = {k: v for k, v in vars(a).items() if k not in ("run", "command", "folds")}
    return {
        "arch": a.arch,
        "backbone": a.backbone,
        "task": a.task,
        "labels": task.labels,
        "size": a.size,
        "hidden": list(hidden),
        "dropout": a.dropout,
        "seed": a.seed,
        **record,
        "options": options,
    }


def _begin_from(network: nn.Module, a: Namespace) -> None:
    if not a.weights:
        return
    if a.weights == "default":
        name = a.backbone if a.arch == "detector" else a.arch
        matched = load_published(network, name, ARCHITECTURES[name].published)
    else:
        matched = load_weights(network, Path(a.weights))
    print(f"weights: {matched}", flush=True)


def _origins(a: Namespace, begun: bool) -> list[Origin]:
    """Of a run that goes on: what it was begun with, wherever those files are now."""
    if begun:
        return read_checkpoint(Path(a.out) / "last.pt").get("config", {}).get("origins", [])
    if a.weights == "default":
        return [{"role": "began from", "file": "torchvision's ImageNet weights"}]
    began = [origin("began from", Path(a.weights))] if a.weights else []
    return began + [origin("was taught by", Path(file)) for file in a.teacher or []]


def _unfold(network: nn.Module, a: Namespace, material: Material) -> None:
    """What a package folded away can only be found with images; evenly spread, so that each source is among them."""
    if a.weights and is_package(Path(a.weights)):
        spread = material.train[:: max(1, len(material.train) // SEEN)]
        unfold(network, read_package(Path(a.weights)), material.pool.pixels(spread[:SEEN]))


def _teachers(a: Namespace, task: Task, device: str) -> Teachers | None:
    if not a.teacher:
        return None
    teachers = Teachers([Path(file) for file in a.teacher], device)
    for of, size in zip(teachers.tasks, teachers.sizes):
        task.check_teacher(of, size, a.size)
    return teachers


def _announce(material: Material, network: nn.Module, a: Namespace, device: str, precision: str) -> None:
    for (source, label), count in sorted(material.left_out.items()):
        print(f"left out: {count} images of {source} labelled {label}, which task {a.task} cannot use", flush=True)
    count = sum(p.numel() for p in network.parameters())
    print(f"{a.arch}, {count:,} parameters, {a.size} x {a.size}, {len(material.train)} images to learn from, "
          f"{len(material.validation)} to validate on; {device}, {precision}", flush=True)


def prepare(a: Namespace) -> Run:
    """@raises TrainingError for anything that cannot be trained as asked; nothing was written then"""
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    torch.backends.cudnn.deterministic = True
    device, task = pick_device(a.device), make_task(a)
    precision = pick_precision(a.precision, device)
    if a.mixup and not task.mixable:
        raise TrainingError(f"--mixup blends labels, and {a.task} learns boxes: leave it out")
    # The cheap refusals come before the images are read.
    config = _configuration(a, task, {})
    network = build(config)
    begun = (Path(a.out) / "last.pt").exists()
    if not begun and (Path(a.out) / "best.pt").exists():
        raise TrainingError(f"{a.out} holds the best.pt of a run, but no last.pt to go on from: give another --out")
    if not begun:
        _begin_from(network, a)
    origins = _origins(a, begun)
    refuse_trained(read_split(*map(Path, a.split)), {"origins": origins}, a.out)
    teachers = _teachers(a, task, device)
    material = load_material(a.data, [Path(f) for f in a.split], a.size, Path(a.cache), task)
    present = {s.source for s in material.pool.samples}
    for source, _ in a.per_epoch:
        if source not in present:
            raise TrainingError(f"--per-epoch {source}: --data has no such source, but {', '.join(sorted(present))}")
    if not begun:
        _unfold(network, a, material)
    _announce(material, network, a, device, precision)
    manner = Manner(a.optimiser, a.decay, a.backbone_rate, a.clip, a.ema, device, precision)
    return Run(
        a,
        Path(a.out),
        _configuration(a, task, material.record | {"origins": origins}),
        task,
        material,
        Learner(network, manner),
        teachers,
        make_augmentation(a),
        device,
        a.rate or RATES[a.optimiser],
    )


def fit(a: Namespace, stop: Stop = lambda step: False) -> dict[str, float] | None:
    """Train, or go on with the run in a.out. The figures of the last validation; None if `stop` ended it before.

    @raises TrainingError for bad input, another run in a.out, or a loss that is not finite
    """
    run = prepare(a)
    try:
        os.makedirs(run.out, exist_ok=True)
    except OSError as reason:
        raise TrainingError(f"cannot write into {run.out}: {reason.strerror}") from reason
    going = Fit(run, stop)
    try:
        return going.run()
    finally:
        going.log.close()
