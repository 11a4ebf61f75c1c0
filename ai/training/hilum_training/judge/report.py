"""One HTML file that says in a minute how good a run is: the headline, the curves, the sets, the pictures."""

from html import escape

import numpy as np

from . import plots
from .answers import Answers
from .fitting import LEAST_IOU, Fitted, located
from .pictures import gallery

STYLE = """
:root { --ink: #1d2733; --gray: #66717f; --line: #dde3ea; --soft: #f5f7f9; --blue: #1f5fa8; }
* { box-sizing: border-box }
body { margin: 0; background: var(--soft); color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px }
h1 { font-size: 26px; line-height: 1.2; margin: 0 } h2 { font-size: 17px; margin: 36px 0 10px } h3 { font-size: 13px; margin: 18px 0 6px; color: var(--gray) }
.lead { margin: 6px 0 0; color: var(--gray) } .verdict { font-size: 17px; margin: 20px 0 0; max-width: 62em }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 12px; margin-top: 20px }
.card, .plot, table { background: #fff; border: 1px solid var(--line); border-radius: 6px }
.card { padding: 12px 14px } .card b { display: block; font-size: 27px; line-height: 1.2; font-weight: 600; font-variant-numeric: tabular-nums }
.card span { color: var(--gray); font-size: 13px; display: block }
.plots { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px } .plot { padding: 6px } .plot img { width: 100%; display: block }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { padding: 7px 10px; text-align: left; border-top: 1px solid var(--line); vertical-align: top } tr:first-child th { border-top: 0 }
th { font-weight: 600; color: var(--gray); font-size: 13px } td small { color: var(--gray); display: block }
.pictures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 10px } figure { margin: 0 } figure img { width: 100%; display: block; border-radius: 4px }
figcaption { font-size: 12px; color: var(--gray); overflow-wrap: anywhere } .red { color: #c0392b } .blue { color: #1f6fd0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; font-size: 14px } dt { color: var(--gray) } dd { margin: 0 }
@media (max-width: 800px) { .plots { grid-template-columns: 1fr } .pictures { grid-template-columns: 1fr 1fr } }
@media print { body { background: #fff } .plot, .card, figure { break-inside: avoid } }
"""
COLUMNS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "calibrationError": "calibration error",
}
REGION_COLUMNS = {
    "ap50": "AP, IoU 0.5",
    "recallAtOneFalse30": "hit at 1 false an image, all boxes",
    "hitRate": "hit, of those told",
    "precision": "told that hit",
    "falseAnImage": "false an image",
    "rsnaMap": "RSNA mAP",
}

REGIONS = (
    f"A true region is hit by a box with an IoU of at least {LEAST_IOU:g}, one box a region. AP, and hits at one "
    "false box an image, are of all "
    "boxes; hit, of those told, and the RSNA figure are of what would be reported. RSNA mAP: the mean over IoU 0.40 "
    "to 0.75 by 0.05 of "
    "TP / (TP + FP + FN), then over the images that have a true or a told region."
)


def number(figure: dict | None) -> str:
    return "none" if figure is None or figure["value"] is None else f"{figure['value']:.3f}"


def interval(figure: dict | None) -> str:
    return "" if figure is None or figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"


def _card(name: str, figure: dict, note: str = "") -> str:
    below = escape(interval(figure) or note)
    return f'<div class="card"><span>{escape(name)}</span><b>{number(figure)}</b><span>{below}</span></div>'


def _table(rows: dict[str, dict], columns: dict[str, str]) -> str:
    columns = {key: name for key, name in columns.items() if any(key in row for row in rows.values())}
    head = "".join(f"<th>{escape(name)}</th>" for name in columns.values())
    body = "".join(
        f"<tr><td>{escape(name)}<small>{escape(_count(row))}</small></td>"
        + "".join(f"<td>{number(row.get(key))}<small>{interval(row.get(key))}</small></td>" for key in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _count(row: dict) -> str:
    if "regions" in row and not isinstance(row["regions"], dict):
        return f"{row['images']} images, {row['regions']} regions"
    return f"{row['images']} images" + (f", {row['positives']} positive" if "positives" in row else "")


def verdict(judgement: dict) -> str:
    """The figures at the operating point, as one would say them."""
    whole, point = judgement["sets"]["all"], judgement["operatingPoint"]
    parts = [
        f"An image is called positive from a probability of {point['threshold']:.2f} on (chosen for "
        f"{point['chosenFor']})."
    ]
    if whole["sensitivity"]["value"] is not None and whole["specificity"]["value"] is not None:
        missed, alarmed = 100 * (1 - whole["sensitivity"]["value"]), 100 * (1 - whole["specificity"]["value"])
        parts.append(
            f"Of 100 positive images it misses {missed:.0f}; of 100 negative ones it calls {alarmed:.0f} positive."
        )
    regions = whole.get("regions")
    if regions and regions["hitRate"]["value"] is not None:
        parts.append(
            f"Of 100 true regions {100 * regions['hitRate']['value']:.0f} are pointed at (IoU {LEAST_IOU:g}), "
            f"with {regions['falseAnImage']['value']:.2f} false ones an image."
        )
    return " ".join(parts)


def _cards(whole: dict) -> str:
    cards = [
        _card(name, whole[key]) for key, name in COLUMNS.items() if key not in ("precision", "f1", "calibrationError")
    ]
    before = whole["calibrationErrorBefore"]["value"]
    cards.append(
        _card("calibration error", {**whole["calibrationError"], "low": None}, f"{before:.3f} before calibration")
    )
    if "labels" in whole:
        cards += [
            _card(name.replace("auc ", "AUC "), figure)
            for name, figure in whole["labels"].items()
            if name.startswith("auc ") and " against " in name
        ]
    if "regions" in whole:
        cards += [
            _card(REGION_COLUMNS[key], whole["regions"][key]) for key in ("ap50", "rsnaMap") if key in whole["regions"]
        ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _plots(judgement: dict, answers: Answers, fitted: Fitted) -> str:
    whole = judgement["sets"]["all"]
    drawn = [
        plots.roc(answers, fitted),
        plots.precision_recall(answers, fitted),
        plots.reliability(answers, fitted),
        plots.histogram(answers, fitted),
        plots.confusion("At the operating point", whole["confusion"], ["negative", "positive"]),
    ]
    if "labels" in whole:
        drawn.append(plots.confusion("The most probable label", whole["labels"]["confusion"], list(fitted.labels)))
    if answers.boxes is not None and located(answers).any():
        drawn.append(plots.froc(answers))
    return (
        '<div class="plots">'
        + "".join(f'<div class="plot"><img src="{address}" alt=""></div>' for address in drawn)
        + "</div>"
    )


def _tables(judgement: dict) -> str:
    sets = {("all images" if name == "all" else name): record for name, record in judgement["sets"].items()}
    html = "<h2>By source</h2>" + _table(sets, COLUMNS)
    labelled = {name: record["labels"] for name, record in sets.items() if "labels" in record}
    if labelled:
        keys = [key for key, value in next(iter(labelled.values())).items() if isinstance(value, dict)]
        html += "<h2>Labels</h2>" + _table(labelled, {key: key.replace("auc ", "AUC ") for key in keys})
    boxed = {name: record["regions"] for name, record in sets.items() if "regions" in record}
    if boxed:
        html += "<h2>Regions</h2>" + _table(boxed, REGION_COLUMNS)
    if judgement["groups"]:
        html += "<h2>By group</h2>" + _table(judgement["groups"], COLUMNS)
    return html


def _pictures(answers: Answers, images: np.ndarray, fitted: Fitted) -> str:
    html = (
        '<h2>Pictures: <span class="red">the truth in red</span>, <span class="blue">what is told in blue</span></h2>'
    )
    for heading, pictures in gallery(answers, images, fitted).items():
        shown = "".join(
            f'<figure><img src="{p.address}" alt=""><figcaption>{escape(p.caption)}</figcaption></figure>'
            for p in pictures
        )
        html += f'<h3>{escape(heading)}</h3><div class="pictures">{shown}</div>'
    return html


def _provenance(judgement: dict) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in judgement["run"].items())
    calibration = judgement["calibration"]
    how = f"{calibration['method']}: scale {calibration['scale']}, offset {calibration['offset']}, fitted on validation"
    return (
        f"<h2>What was judged</h2><dl>{rows}<dt>calibration</dt><dd>{escape(how)}</dd>"
        "<dt>intervals</dt><dd>95 %, percentile bootstrap over patients</dd>"
        f"<dt>regions</dt><dd>{escape(REGIONS)}</dd></dl>"
    )


def page(title: str, judgement: dict, answers: Answers, images: np.ndarray, fitted: Fitted) -> str:
    """The report of `judgement` (as in judgement.json) on `answers`, whose pixels are `images`, as HTML."""
    whole = judgement["sets"]["all"]
    lead = (
        f"{judgement['part']} part of {', '.join(judgement['sources'])}: {whole['images']} images of "
        f"{whole['patients']} "
        f"patients, {whole['positives']} positive"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>"
        f'<p class="lead">{escape(lead)}</p><p class="verdict">{escape(verdict(judgement))}</p>{_cards(whole)}'
        f"<h2>Curves</h2>{_plots(judgement, answers, fitted)}{_tables(judgement)}{_pictures(answers, images, fitted)}"
        f"{_provenance(judgement)}</main></html>\n"
    )
