"""The curves of the report, each one PNG as a data address."""

import matplotlib.pyplot as plt
import numpy as np

from ..drawing import GRAY, INK, figure
from . import calibration, metrics
from .answers import Answers
from .boxes import Curve
from .fitting import LEAST_IOU, Fitted, located

BLUE, RED, SOFT = "#1f5fa8", "#c0392b", "#9fb8d4"
COLOURS = (BLUE, "#b8761f", "#2c7a5b", "#7a4a9c")


def _sets(answers: Answers) -> dict[str, Answers]:
    names = sorted(set(answers.sources))
    return {name: answers.only(answers.sources == name) for name in names}


def _axes(axes: plt.Axes, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=x, ylabel=y)


def roc(answers: Answers, fitted: Fitted) -> str:
    def draw(axes: plt.Axes) -> None:
        axes.plot([0, 1], [0, 1], color="#dde3ea", lw=1)
        for (name, part), colour in zip(_sets(answers).items(), COLOURS):
            probability, truth = fitted.calibration.probability(part.logits), part.truth()
            area = metrics.auc(probability, truth, metrics.ones(len(truth)))[0]
            axes.plot(*metrics.roc_points(probability, truth), color=colour, lw=1.6, label=f"{name}: {area:.3f}")
            rates = metrics.at_threshold(probability, truth, fitted.point.threshold, metrics.ones(len(truth)))
            axes.plot(1 - rates["specificity"], rates["sensitivity"], "o", color=colour, ms=5)
        axes.legend(loc="lower right", title="AUC; dot: operating point", title_fontsize=8)
        _axes(axes, "1 - specificity", "sensitivity")

    return figure("ROC", draw)


def precision_recall(answers: Answers, fitted: Fitted) -> str:
    def draw(axes: plt.Axes) -> None:
        for (name, part), colour in zip(_sets(answers).items(), COLOURS):
            probability, truth = fitted.calibration.probability(part.logits), part.truth()
            area = metrics.average_precision(probability, truth, metrics.ones(len(truth)))[0]
            axes.plot(
                *metrics.precision_recall_points(probability, truth), color=colour, lw=1.6, label=f"{name}: {area:.3f}"
            )
            axes.axhline(truth.mean(), color=colour, lw=0.7, ls=":")
        axes.legend(loc="lower left", title="average precision; dots: share of positives", title_fontsize=8)
        _axes(axes, "sensitivity (recall)", "precision")

    return figure("Precision and recall", draw)


def reliability(answers: Answers, fitted: Fitted, bins: int = 10) -> str:
    """Share of positives among images told about the same probability; the size of a dot is how many there are."""
    truth = answers.truth()
    raw = calibration.none(fitted.calibration.positive)

    def draw(axes: plt.Axes) -> None:
        axes.plot([0, 1], [0, 1], color="#dde3ea", lw=1)
        for name, how, colour in (("before", raw, SOFT), ("after", fitted.calibration, BLUE)):
            probability = how.probability(answers.logits)
            error = metrics.calibration_error(probability, truth, metrics.ones(len(truth)))[0]
            place = np.minimum((probability * bins).astype(int), bins - 1)
            filled = [b for b in range(bins) if (place == b).any()]
            x, y = ([values[place == b].mean() for b in filled] for values in (probability, truth))
            axes.plot(x, y, color=colour, lw=1.2)
            axes.scatter(
                x, y, s=[12 + 160 * (place == b).mean() for b in filled], color=colour, label=f"{name}: {error:.3f}"
            )
        axes.legend(loc="upper left", title="calibration error", title_fontsize=8, markerscale=0.6)
        _axes(axes, "probability told", "share that is positive")

    return figure("Reliability", draw)


def histogram(answers: Answers, fitted: Fitted) -> str:
    truth, probability = answers.truth(), fitted.calibration.probability(answers.logits)

    def draw(axes: plt.Axes) -> None:
        edges = np.linspace(0, 1, 31)
        axes.hist(probability[truth == 0], edges, color=SOFT, label="negative", alpha=0.9)
        axes.hist(probability[truth == 1], edges, color=RED, label="positive", alpha=0.55)
        axes.axvline(fitted.point.threshold, color=INK, lw=1, ls="--")
        axes.set(xlim=(0, 1), xlabel="probability told", ylabel="images", yscale="log")
        axes.legend(loc="upper center", title="dashed: operating point", title_fontsize=8)

    return figure("Who gets which probability", draw)


def confusion(title: str, counts: list[list[int]], names: list[str]) -> str:
    table = np.array(counts)

    def draw(axes: plt.Axes) -> None:
        share = table / np.maximum(table.sum(1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1.3)
        for (row, column), count in np.ndenumerate(table):
            dark = share[row, column] > 0.6
            axes.text(
                column,
                row,
                f"{count}\n{100 * share[row, column]:.0f} %",
                ha="center",
                va="center",
                color="white" if dark else INK,
            )
        ticks = range(len(names))
        axes.set(xlabel="called", ylabel="truth", xticks=ticks, yticks=ticks, xticklabels=names)
        axes.set_yticklabels(names, rotation=90, va="center")
        axes.tick_params(length=0)

    return figure(title, draw)


def froc(answers: Answers) -> str:
    part = answers.only(located(answers))

    def draw(axes: plt.Axes) -> None:
        for least, colour in ((LEAST_IOU, BLUE), (0.5, SOFT)):
            false, recall = Curve(part.boxes, least).froc()
            axes.plot(false, recall, color=colour, lw=1.6, label=f"IoU {least:g}")
        axes.axvline(1, color=GRAY, lw=0.7, ls=":")
        axes.set(xlim=(0, 4), ylim=(0, 1.005), xlabel="false regions an image", ylabel="true regions hit")
        axes.legend(loc="lower right")

    return figure("FROC, all boxes", draw)
