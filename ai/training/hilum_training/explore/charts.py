"""The plots of the report, each one PNG as a data address."""

from collections import Counter
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from ..drawing import GRAY, INK, figure
from .exploration import Exploration
from .facts import ages, aspects

LINE = "#dde3ea"
LABEL_COLOURS = {"normal": "#2c7a5b", "bacterial": "#c0392b", "viral": "#b8761f", "pneumonia": "#7a4a9c"}
PART_COLOURS = {"train": "#1f5fa8", "validation": "#7fa9d6", "test": "#f0a53a", "all": "#1f5fa8"}
SERIES = ("#1f5fa8", "#b8761f", "#2c7a5b", "#7a4a9c", "#c0392b")
SQUARE = 4.0  # height of the plots that stand beside a map
GRID = 96  # cells a side of the maps of boxes and of the mean radiographs


def counts(e: Exploration) -> str:
    """Images by source, class and part, as stacked bars."""
    rows = [(source, label) for source in e.sources for label in e.labels_of(source)][::-1]

    def draw(axes: plt.Axes) -> None:
        start = np.zeros(len(rows))
        for part in e.part_names:
            number = np.array([len(e.where(source, label, part)) for source, label in rows])
            axes.barh(range(len(rows)), number, left=start, color=PART_COLOURS[part], label=part, height=0.68)
            start += number
        for y, total in enumerate(start):
            axes.text(total, y, f" {total:,.0f}", va="center", color=GRAY, fontsize=8)
        axes.set_yticks(range(len(rows)), [f"{source}  {label}" for source, label in rows], color=INK)
        axes.set(xlabel="images", xlim=(0, start.max() * 1.12))
        if len(e.part_names) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3)

    return figure("Images by class", draw, 7.6, 1.3 + 0.36 * len(rows))


def _by_label(
    e: Exploration, title: str, axis: str, values: Callable[[list], list[float]], bins: int, source: str | None = None
) -> str | None:
    series = {label: values([e.samples[i] for i in e.where(source, label)]) for label in e.labels}
    series = {label: known for label, known in series.items() if len(known)}
    if not series:
        return None
    low, high = np.quantile(np.concatenate(list(series.values())), [0.002, 0.998])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)

    def draw(axes: plt.Axes) -> None:
        for label, known in series.items():
            axes.hist(
                np.clip(known, edges[0], edges[-1]),
                edges,
                weights=np.full(len(known), 100 / len(known)),
                histtype="step",
                color=LABEL_COLOURS[label],
                lw=1.5,
                label=label,
            )
        axes.set(xlabel=axis, ylabel="% of the class")
        axes.legend()

    return figure(title, draw)


def age(e: Exploration) -> str | None:
    return _by_label(e, "Age", "years", ages, 30)


def bars(e: Exploration, title: str, attribute: str) -> str | None:
    """Share of each value of sex or view, by class; None where no image tells it."""
    told = {label: Counter(getattr(e.samples[i], attribute) for i in e.where(label=label)) for label in e.labels}
    values = sorted({value for counter in told.values() for value in counter if value})
    if not values:
        return None

    def draw(axes: plt.Axes) -> None:
        rows = list(told)[::-1]
        start = np.zeros(len(rows))
        for value, colour in zip([*values, ""], [*SERIES[: len(values)], *[GRAY] * 9, LINE]):
            share = np.array([100 * told[label][value] / told[label].total() for label in rows])
            axes.barh(rows, share, left=start, color=colour if value else LINE, label=value or "unknown", height=0.6)
            start += share
        axes.set(xlabel="% of the class", xlim=(0, 100))
        axes.tick_params(axis="y", colors=INK)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncol=4)

    return figure(title, draw)


def sizes(e: Exploration) -> str | None:
    """Width against height of the radiographs as taken."""
    known = [i for i, sample in enumerate(e.samples) if sample.width and sample.height]
    if not known:
        return None

    def draw(axes: plt.Axes) -> None:
        for source, colour in zip(e.sources, SERIES):
            at = [e.samples[i] for i in known if e.samples[i].source == source]
            if at:
                axes.scatter(
                    [s.width for s in at], [s.height for s in at], s=3, alpha=0.35, color=colour, lw=0, label=source
                )
        end = max(max(e.samples[i].width, e.samples[i].height) for i in known) * 1.03
        axes.plot([0, end], [0, end], color=LINE, lw=1, zorder=0)
        axes.set(xlabel="width, pixels as taken", ylabel="height", xlim=(0, end), ylim=(0, end))
        axes.legend(markerscale=4)

    return figure("Image sizes; line: square", draw)


def aspect(e: Exploration, source: str) -> str | None:
    return _by_label(e, f"{source}: width over height", "width / height", aspects, 40, source)


def gray(e: Exploration, source: str) -> str:
    """Mean histogram of gray values of each class."""

    def draw(axes: plt.Axes) -> None:
        for label in e.labels_of(source):
            axes.plot(
                100 * e.gray.histograms[e.where(source, label)].mean(0), color=LABEL_COLOURS[label], lw=1.4, label=label
            )
        top = np.quantile(100 * e.gray.histograms[e.where(source)].mean(0), 0.985)
        axes.set(xlabel="gray value", ylabel="% of pixels", ylim=(0, top * 1.25), xlim=(0, 255))
        axes.legend()

    return figure(f"{source}: gray values", draw)


def contrast(e: Exploration, source: str) -> str:
    def draw(axes: plt.Axes) -> None:
        for label in e.labels_of(source):
            values = e.gray.contrast[e.where(source, label)]
            axes.hist(
                values,
                np.linspace(0, 256, 52),
                weights=np.full(len(values), 100 / len(values)),
                histtype="step",
                color=LABEL_COLOURS[label],
                lw=1.4,
                label=label,
            )
        axes.set(xlabel="gray levels from the 5th to the 95th percentile", ylabel="% of the class", xlim=(0, 255))
        axes.legend(loc="upper left")

    return figure(f"{source}: contrast", draw)


def boxes_an_image(e: Exploration, source: str) -> str:
    numbers = Counter(len(e.samples[i].boxes) for i in e.where(source))

    def draw(axes: plt.Axes) -> None:
        axes.bar(list(numbers), list(numbers.values()), color=SERIES[0], width=0.7)
        for k, n in numbers.items():
            axes.text(k, n, f"{n:,}", ha="center", va="bottom", fontsize=8, color=GRAY)
        axes.set(xlabel="boxes in an image", ylabel="images", xticks=range(max(numbers) + 1))

    return figure(f"{source}: boxes an image", draw, height=SQUARE)


def box_sizes(e: Exploration, source: str) -> str:
    every = np.concatenate([e.samples[i].boxes for i in e.where(source)])
    sides = 100 * (every[:, 2:] - every[:, :2])

    def draw(axes: plt.Axes) -> None:
        axes.scatter(sides[:, 0], sides[:, 1], s=4, alpha=0.25, color="#c0392b", lw=0)
        axes.set(xlabel="width, % of the image", ylabel="height, % of the image", xlim=(0, 100), ylim=(0, 100))

    return figure(f"{source}: box sizes", draw, height=SQUARE)
