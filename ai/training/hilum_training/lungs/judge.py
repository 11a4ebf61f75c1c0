"""How good a model of the lungs is, on patients that it has not learnt from: against outlines, boxes, and what the
gateway asks of lungs before it measures by them."""
import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.samples import Sample
from ..errors import TrainingError
from ..judge.bootstrap import Resampler
from ..kept import write_all
from ..networks.build import fill, read_checkpoint
from ..networks.lungs import LungFinder
from .accepted import reasons, refusals
from .material import Lungs, Where, load_parts, lung_boxes, seen, shown
from .measure import around, dice, drawn, exchanged, overlap, within
from .pictures import sheet

# uint8 [n, SIZE, SIZE] -> logits float32 [n, 2, SIZE, SIZE].
Ask = Callable[[np.ndarray], np.ndarray]
# Of a region, within the lungs, below which the gateway measures nothing (ai/severity/opaque-share.ts).
LEAST_WITHIN = 1 / 3


@dataclass
class Judged:
    """`record` is ready for JSON; `told` are the drawn lungs, bool [n, 2, s, s], of outlined and of boxed images."""

    record: dict[str, Any]
    told: tuple[np.ndarray, np.ndarray]


def _percentile(values: np.ndarray, share: float, weights: np.ndarray) -> np.ndarray:
    """The `share` quantile of [n] under weights [d, n] -> [d]."""
    order = np.argsort(values)
    passed = weights[:, order].cumsum(1)
    return values[order][(passed >= share * passed[:, -1:]).argmax(1)]


def _spread(samples: list[Sample], values: np.ndarray, draws: int, seed: int) -> dict[str, Any]:
    """Mean and 5th percentile of one value an image, with intervals over patients."""
    def of(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": weights @ values / weights.sum(1), "p5": _percentile(values, 0.05, weights)}

    figures = Resampler([s.patient for s in samples], draws, seed).figures(of)
    return {name: figure.record() for name, figure in figures.items()}


def _acceptance(refused: list[str | None]) -> dict[str, Any]:
    return {"accepted": refused.count(None) / len(refused), "refused": reasons(refused)}


def _outlined(lungs: Lungs, logits: np.ndarray, told: np.ndarray, a: Namespace) -> dict[str, Any]:
    samples, truth = lungs.outlined.images.samples, lungs.truth()
    each, refused = dice(told, truth), refusals(logits)
    groups = {"all": np.ones(len(samples), bool), "normal": np.array([not s.positive for s in samples])}
    groups["pneumonia"] = ~groups["normal"]
    record: dict[str, Any] = {"images": len(samples), "patients": len({s.patient for s in samples})}
    for name, lung in (("right", each[:, 0]), ("left", each[:, 1])):
        record[name] = _spread(samples, lung, a.draws, a.seed)
    for name, at in groups.items():
        if at.any():
            some = [s for s, use in zip(samples, at) if use]
            record[name] = {"images": int(at.sum()), **_spread(some, each[at].mean(1), a.draws, a.seed)}
    return record | {"exchanged": int(exchanged(told, truth).sum()), **_acceptance(refused)}


def _boxed(lungs: Lungs, logits: np.ndarray, told: np.ndarray, a: Namespace) -> dict[str, Any]:
    samples, refused = lungs.boxed.samples, refusals(logits)
    record: dict[str, Any] = {"images": len(samples), "patients": len({s.patient for s in samples})}
    record["boxOverlap"] = _spread(samples, overlap(around(told), lung_boxes(samples)), a.draws, a.seed)
    inside = [within(mask, s.boxes) for mask, s in zip(told, samples)]
    opaque = [(s, share) for s, shares in zip(samples, inside) for share in shares]
    if opaque:
        shares = np.array([share for _, share in opaque])
        record["opacities"] = {
            "regions": len(opaque),
            "within": _spread([s for s, _ in opaque], shares, a.draws, a.seed),
            "tooFarOut": float((shares < LEAST_WITHIN).mean()),
        }
    return record | _acceptance(refused)


def judge(lungs: Lungs, ask: Ask, a: Namespace) -> Judged:
    """@raises TrainingError without Node, which the gateway's own check is asked through"""
    logits = ask(shown(lungs.outlined.images.images)), ask(shown(lungs.boxed.images))
    told = drawn(logits[0]), drawn(logits[1])
    outlined, boxed = _outlined(lungs, logits[0], told[0], a), _boxed(lungs, logits[1], told[1], a)
    return Judged({"part": a.part, "outlined": outlined, "boxed": boxed}, told)


def load_lungs(folder: Path) -> tuple[LungFinder, dict[str, Any]]:
    """The averaged network of a run, and the parts of its checkpoint.

    @raises TrainingError if it is none of `train lungs fit`
    """
    kept = read_checkpoint(folder / "last.pt")
    if kept.get("config", {}).get("task") != "lungs":
        raise TrainingError(f"{folder}/last.pt is no checkpoint of `train lungs fit`")
    network = LungFinder(tuple(kept["config"]["widths"]))
    fill(network, kept["average"], folder / "last.pt")
    return network.eval(), kept


def where(a: Namespace, config: dict[str, Any]) -> Where:
    """What the run was trained on, or what the command line says instead."""
    outlined, boxed = config["data"]
    splits = a.split or [Path(entry["file"]) for entry in config["split"]]
    return Where(a.data or outlined, a.masks or Path(config["masks"]), a.boxed or boxed, splits, a.cache)


def asking(network: LungFinder) -> Ask:
    def ask(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = np.array_split(images, 1 + len(images) // 32)
            return np.concatenate([network(seen(part))[0].numpy() for part in parts])

    return ask


def headline(record: dict[str, Any]) -> str:
    outlined, boxed = record["outlined"], record["boxed"]
    dice_told, box_told = outlined["all"]["mean"]["value"], boxed["boxOverlap"]["mean"]["value"]
    return (
        f"dice {dice_told:.3f} on {outlined['images']} outlined images, accepted {outlined['accepted']:.1%}; "
        f"box overlap {box_told:.3f} on {boxed['images']} boxed ones, accepted {boxed['accepted']:.1%}"
    )


def judge_run(a: Namespace) -> None:
    """Write judgement.json and pictures.png into the run. @raises TrainingError for what stands against it"""
    torch.set_num_threads(a.threads)
    network, kept = load_lungs(a.folder)
    lungs = load_parts(where(a, kept["config"]), (a.part,))[a.part]
    judged = judge(lungs, asking(network), a)
    folder = a.folder / f"judge-{a.part}"
    text = json.dumps(judged.record, indent=2) + "\n"
    write_all(folder, {"judgement.json": text.encode(), "pictures.png": sheet(lungs, judged.told)})
    print(headline(judged.record))
    print(folder / "pictures.png")
