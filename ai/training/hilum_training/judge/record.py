"""How a judgement is written down: what was judged, what was fitted, and the headline."""

from argparse import Namespace
from typing import Any

from .fitting import Fitted
from .report import interval, number, verdict
from .runs import Runs


def describe(runs: Runs, a: Namespace) -> dict[str, Any]:
    """What was judged: task and labels for machines, `run` for people."""
    config = runs.config
    parameters = sum(p.numel() for network in runs.networks for p in network.parameters())
    return {
        "task": runs.task,
        "labels": list(runs.labels),
        "arch": config["arch"],
        "size": runs.size,
        "flip": a.flip,
        "run": {
            "runs": ", ".join(str(folder) for folder in runs.folders),
            "network": f"{config['arch']}, {parameters:,} parameters",
            "input": f"{runs.size} x {runs.size}" + (", averaged with its mirror image" if a.flip else ""),
            "data": ", ".join(a.data or config["data"]),
            "split": ", ".join(str(file) for file in a.split or [entry["file"] for entry in config["split"]]),
            "checkpoint": a.checkpoint,
            "trained": "; ".join(runs.lengths),
        },
    }


def fitted_record(fitted: Fitted) -> dict[str, Any]:
    """The numbers that the manifest takes over."""
    c = fitted.calibration
    one = c.method == "platt"
    regions: dict[str, Any] = {"scoreThreshold": fitted.score}
    if fitted.rule:
        regions = {"mapThreshold": fitted.rule.threshold, "leastArea": fitted.rule.least_area}
    return {
        "calibration": {
            "method": c.method,
            "scale": c.scale[0] if one else list(c.scale),
            "offset": c.offset[0] if one else list(c.offset),
        },
        "operatingPoint": {"threshold": fitted.point.threshold, "chosenFor": fitted.point.chosen_for},
        "told": regions,
    }


def headline(judgement: dict) -> str:
    """A few lines for the terminal."""
    lines = [verdict(judgement)]
    for name, record in judgement["sets"].items():
        shown = [
            f"{key} {number(record[key])} ({interval(record[key])})"
            for key in ("auc", "accuracy", "sensitivity", "specificity", "calibrationError")
        ]
        lines.append(f"{name}, {record['images']} images: " + ", ".join(shown))
        if "labels" in record:
            against = [(key, value) for key, value in record["labels"].items() if " against " in key]
            lines += [f"  {key} {number(value)} ({interval(value)})" for key, value in against]
        if "regions" in record:
            lines.append(
                "  "
                + ", ".join(
                    f"{key} {number(value)}" for key, value in record["regions"].items() if isinstance(value, dict)
                )
            )
    return "\n".join(lines)
