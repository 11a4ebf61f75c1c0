"""MODEL_CARD.md: what a person should know of a package. Everything in it was measured or read; nothing is promised."""

from dataclasses import dataclass
from textwrap import fill
from typing import Any

from ..judge.report import COLUMNS, REGION_COLUMNS, interval, number
from ..networks.origins import all_origins, in_words
from .facts import SOURCES
from .manifest import Identity
from .runtime import Ran

# What stands in the table of figures, in its order.
SHOWN = (
    {"auc": "AUC", "averagePrecision": "average precision"}
    | COLUMNS
    | {"calibrationErrorBefore": "calibration error before calibration"}
)


@dataclass(frozen=True)
class Checks:
    """`plain`: the float32 file on the images that PyTorch was asked about, too. `lost`: AUC of the float32 file less
    that of the shipped one on the judged part, by source; empty where they are the same file."""

    variant: str
    images: int
    plain: Ran
    shipped: Ran
    bytes: int
    plain_bytes: int
    lost: dict[str, float]


def _cell(figure: dict | None) -> str:
    between = interval(figure)
    return number(figure) + (f" ({between})" if between else "")


def _figures(judgement: dict, part: str) -> str:
    sets = judgement["sets"]
    names = {name: ("all" if name == "all" else name) for name in sets}
    rows = [
        f"| {part} part | " + " | ".join(names.values()) + " |",
        "| --- |" + " --- |" * len(names),
        "| images (patients), positive | "
        + " | ".join(f"{r['images']} ({r['patients']}), {r['positives']}" for r in sets.values())
        + " |",
    ]
    rows += [
        f"| {title} | " + " | ".join(_cell(r.get(key)) for r in sets.values()) + " |" for key, title in SHOWN.items()
    ]
    labelled = sets["all"].get("labels", {})
    rows += [
        f"| {key.replace('auc ', 'AUC ')}{' of the most probable label' if key == 'accuracy' else ''} | "
        + " | ".join(_cell(r.get("labels", {}).get(key)) for r in sets.values())
        + " |"
        for key, value in labelled.items()
        if isinstance(value, dict)
    ]
    regions = sets["all"].get("regions", {})
    rows += [
        f"| regions: {title} | "
        + " | ".join(_cell(r.get("regions", {}).get(key)) if "regions" in r else "no boxes" for r in sets.values())
        + " |"
        for key, title in REGION_COLUMNS.items()
        if key in regions
    ]
    return "\n".join(rows)


def _largest(ran: Ran) -> str:
    return ", ".join(f"{name} by at most {value:.2g}" for name, value in ran.difference.items())


def _variant(checks: Checks) -> str:
    how = {
        "float32": "Weights are stored as float32.",
        "fp16": "Weights are stored as float16 and computed with in float32.",
        "int8": "Weights are stored as 8-bit integers, one scale for each output channel; the arithmetic is float32.",
    }[checks.variant]
    if not checks.lost:
        return how
    lost = ", ".join(f"{name} {value:+.5f}" for name, value in checks.lost.items())
    return (
        f"{how} That costs, in AUC on the judged images, both files run in ONNX Runtime: {lost}; and saves "
        f"{100 * (1 - checks.bytes / checks.plain_bytes):.0f} % of {checks.plain_bytes / 1e6:.1f} MB."
    )


def _limits(judgement: dict, sources: set[str]) -> list[str]:
    whole = judgement["sets"]["all"]
    share = whole["positives"] / max(1, whole["images"])
    lines = [
        f"A calibrated probability holds where about {100 * share:.0f} in 100 images are positive, as here. Where "
        "the share is p, add "
        f"ln(p / (1 - p)) - ln({share / max(1e-9, 1 - share):.2f}) to `offset`, or fit it again: `train judge`, or "
        "`hilum evaluate` at the site.",
        f"It learnt from {len(sources)} source{'s' if len(sources) > 1 else ''} only. No figure here says how it "
        "does in another hospital: "
        "`hilum evaluate` does, on its own images.",
        "Lateral views, and findings that the labels do not name, were never taught.",
    ]
    weak = [
        (name, record)
        for name, record in judgement["groups"].items()
        if record["auc"]["high"] is not None
        and whole["auc"]["low"] is not None
        and record["auc"]["high"] < whole["auc"]["low"]
    ]
    lines += [
        f"It is weaker on {name}: AUC {_cell(record['auc'])}, {record['images']} images." for name, record in weak
    ]
    return lines


def _paragraph(text: str) -> str:
    return fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> str:
    return fill(f"- {text}", 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _what(judgement: dict, checks: Checks) -> str:
    run, ran = judgement["run"], checks.shipped
    return (
        f"{run['network']}; input {run['input']}, the whole radiograph as displayed (lungs dark), stretched, 0 to 1; "
        f"normalised inside of the network. {_variant(checks)} {checks.bytes / 1e6:.1f} MB; {ran.fastest_ms:g} ms an "
        f"image at best and {ran.median_ms:g} ms in the median, one image a run, on two threads of ONNX Runtime."
    )


def _measured(judgement: dict) -> str:
    how = judgement["calibration"]
    return (
        "Measured with the file that ships, in ONNX Runtime, on patients that were not trained on. Calibration "
        f"({how['method']}, scale {how['scale']}, offset {how['offset']}) and thresholds were fitted on validation, "
        f"the figures are of the {judgement['part']} part. In brackets: 95 %, bootstrap over patients."
    )


def _checked(checks: Checks) -> str:
    boxes = f"; {checks.plain.boxes} boxes compared" if checks.plain.boxes else ""
    return f"On {checks.images} of these images ONNX Runtime and PyTorch differ: {_largest(checks.plain)}{boxes}."


def card(
    who: Identity,
    judgement: dict,
    configs: list[dict[str, Any]],
    progress: list[str],
    sources: set[str],
    checks: Checks,
    command: str,
    history: str | None = None,
) -> str:
    """The file's text. `progress`: how long each run was trained, in words. `command`: how it was exported. `history`:
    what else led to the weights."""
    point = judgement["operatingPoint"]
    data = [
        f"| {SOURCES[name].title} | {SOURCES[name].terms} |" if name in SOURCES else f"| {name} | as the licence says |"
        for name in sorted(sources)
    ]
    trained = [
        _item(f"{c['arch']}, {c['size']} x {c['size']}, {said}, seed {c['seed']}.")
        for c, said in zip(configs, progress)
    ]
    trained += [_item(f"It {in_words(one)}.") for c in configs for one in all_origins(c)]
    parts = [
        f"# {who.name} {who.version}",
        _paragraph(who.intended_use),
        "## What it is",
        _paragraph(_what(judgement, checks)),
        "## Data",
        "\n".join(["| source | terms |", "| --- | --- |", *data]),
        _paragraph(f"Split by patient: {judgement['run']['split']}. Licence of the weights: {who.licence}."),
        "## Training",
        "\n".join(trained),
        *([_paragraph(history)] if history else []),
        "## Figures",
        _paragraph(_measured(judgement)),
        _figures(judgement, judgement["part"]),
        f"Operating point: probability {point['threshold']:g}, chosen for {point['chosenFor']}.",
        f"    {command}",
        _paragraph(_checked(checks)),
        "## Limits",
        "\n".join(_item(line) for line in _limits(judgement, sources)),
    ]
    return "\n\n".join(parts) + "\n"
