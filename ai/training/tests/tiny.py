"""Data small enough to train on within a second, and the arguments of a run on them."""
import csv
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
from PIL import Image

from hilum_training.commands import cross_validate, fit

LABELS = ("normal", "bacterial", "viral")
PARTS = ("train", "train", "validation", "test")
SIDE = 48


def radiographs(folder: Path, count: int = 48, labels: tuple[str, ...] = LABELS) -> tuple[Path, Path]:
    """A CSV of images and the split that goes with it: noise; a dark square is bacterial, a bright one viral."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        label = labels[i % len(labels)]
        pixels, box = rng.normal(110, 12, (SIDE, SIDE)), ("", "", "", "")
        if label != "normal":
            x, y = (int(v) for v in rng.integers(4, 20, 2))
            pixels[y:y + 20, x:x + 20] += -70 if label == "bacterial" else 90
            box = (x, y, 20, 20)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        rows.append((f"{i}.png", label, *box, f"p{i}"))
    images, split = folder / "images.csv", folder / "split.csv"
    with open(images, "w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "x", "y", "width", "height", "patient"), *rows])
    with open(split, "w", newline="") as file:
        parts = [("csv", row[-1], PARTS[i // len(labels) % len(PARTS)]) for i, row in enumerate(rows)]
        csv.writer(file).writerows([("source", "patient", "part"), *parts])
    return images, split


def arguments(
    data: tuple[Path, Path], out: Path, *more: str, command: str = "fit", task: str = "pneumonia"
) -> Namespace:
    """What the command line would give; `more` comes last and wins."""
    parser = ArgumentParser()
    subparsers = parser.add_subparsers()
    fit.add(subparsers)
    cross_validate.add(subparsers)
    arch = "detector" if task == "detection" else "plain-cnn"
    return parser.parse_args([
        command, "--arch", arch, "--task", task, "--data", f"csv:{data[0]}", "--split", str(data[1]), "--out", str(out),
        "--cache", str(data[0].parent / "cache"), "--size", "32", "--batch", "8", "--threads", "1", "--epochs", "3",
        "--log-every", "1", *more,
    ])
