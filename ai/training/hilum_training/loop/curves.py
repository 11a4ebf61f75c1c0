"""The curves of a run as a PNG, from its log: loss and accuracy in training and in validation, AUC, learning rate."""
import os
from pathlib import Path
from typing import Any

# Figures of a validation that are between 0 and 1 and better when higher, beside the AUCs.
RANKED = ("ap50", "dice", "boxOverlap")


def _points(rows: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(row["passed"], row[key]) for row in rows if key in row]


def draw_curves(lines: list[dict[str, Any]], file: Path) -> None:
    """`lines` of log.jsonl: `passed` is the number of epochs behind, with a fraction."""
    import matplotlib
    matplotlib.use("Agg")  # no display where training runs
    from matplotlib import pyplot

    steps = [line for line in lines if "rate" in line]
    checks = [{"passed": line["passed"], **line["validation"]} for line in lines if "validation" in line]
    # Of a detector's loss only the part of the image label can be compared with validation.
    fitted = [{**line, "loss": line.get("labelLoss", line["loss"])} for line in steps]
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7))
    figure.subplots_adjust(left=0.06, right=0.98, top=0.95, bottom=0.07, hspace=0.3)
    for axis, (title, key) in zip(axes.flat, (("Loss", "loss"), ("Accuracy", "accuracy"))):
        for rows, name in ((fitted, "training"), (checks, "validation")):
            drawn = _points(rows, key)
            if drawn:
                axis.plot(*zip(*drawn), label=name, linewidth=1.2, marker="." if rows is checks else None)
        axis.set_title(title)
        axis.legend()
    auc, rate = axes[1]
    for key in sorted({k for check in checks for k in check if k.startswith("auc") or k in RANKED}):
        auc.plot(*zip(*_points(checks, key)), label=key, linewidth=1.2, marker=".")
    auc.set_title("Validation")
    if auc.get_lines():
        auc.legend()
    drawn = _points(steps, "rate")
    if drawn:
        rate.plot(*zip(*drawn), linewidth=1.2)
    rate.set_title("Learning rate")
    for axis in axes.flat:
        axis.set_xlabel("epochs")
        axis.grid(alpha=0.3)
    partial = file.with_name(f".{file.name}")
    figure.savefig(partial, dpi=90, format="png")
    pyplot.close(figure)
    os.replace(partial, file)
