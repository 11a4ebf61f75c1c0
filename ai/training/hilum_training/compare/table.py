"""The table of docs/models.md: one row a run, one table for each task and source of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..judge.report import interval, number
from .published import PUBLISHED

BEGIN, END = "<!-- train compare: begin -->", "<!-- train compare: end -->"
FIGURES = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
BETWEEN = {
    "accuracy": "accuracy, three labels",
    "auc bacterial against viral": "AUC, bacterial against viral",
    "accuracy bacterial against viral": "accuracy, bacterial against viral",
}
REGIONS = {"ap50": "AP, IoU 0.5", "rsnaMap": "RSNA mAP", "hitRate": "regions hit"}


@dataclass(frozen=True)
class Row:
    """A judged run. `megabytes` of its ONNX file with float16 weights; milliseconds an image on two threads."""

    judgement: dict[str, Any]
    name: str
    trained: str
    parameters: int
    milliseconds: float
    megabytes: float


def _cell(figure: dict | None) -> str:
    return number(figure) + (f"<br>{interval(figure)}" if interval(figure) else "") if figure else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _columns(records: Sequence[dict]) -> dict[str, tuple[str, str]]:
    """Heading -> where its figure stands in a record: part of it, name."""
    columns = {title: ("", key) for key, title in FIGURES.items()}
    columns |= {
        title: ("labels", key) for key, title in BETWEEN.items() if any(key in r.get("labels", {}) for r in records)
    }
    return columns | {
        title: ("regions", key) for key, title in REGIONS.items() if any(key in r.get("regions", {}) for r in records)
    }


def _figure(record: dict, place: tuple[str, str]) -> dict | None:
    return (record.get(place[0], {}) if place[0] else record).get(place[1])


def _published(task: str, columns: dict[str, tuple[str, str]]) -> list[str]:
    # Detection is asked the same of the image as a whole.
    shown = [one for one in PUBLISHED if one.task == ("pneumonia" if task == "detection" else task)]
    lines = []
    for one in shown:
        cells = [
            f"{one.arch}: {one.source}",
            *(one.figures.get(key, "") if part == one.part else "" for part, key in columns.values()),
        ]
        lines.append(_line([f"*{cell}*" if cell else "" for cell in [*cells, "", "", "", one.data]]))
    return lines


def _table(rows: Sequence[Row], source: str) -> list[str]:
    judged = [(row, row.judgement["sets"][source]) for row in rows if source in row.judgement["sets"]]
    columns = _columns([record for _, record in judged])
    heading = ["network", *columns, "parameters", "ms an image", "MB", "trained"]
    lines = [_line(heading), _line(["---"] * len(heading))]
    for row, record in sorted(judged, key=lambda pair: -(pair[1]["auc"]["value"] or 0)):
        figures = [_cell(_figure(record, place)) for place in columns.values()]
        size = [f"{row.parameters / 1e6:.1f} M", f"{row.milliseconds:.0f}", f"{row.megabytes:.1f}"]
        lines.append(_line([row.name, *figures, *size, row.trained]))
    return lines + _published(rows[0].judgement["task"], columns)


def _sources(rows: Sequence[Row]) -> list[str]:
    """Each source by itself; of rows with one source only, all their images are of it."""
    names = dict.fromkeys(name for row in rows for name in row.judgement["sets"] if name != "all")
    return list(names) or ["all"]


def tables(rows: Sequence[Row]) -> str:
    """Markdown: for each task and source a heading, what was judged, and the table, best AUC first."""
    parts = []
    for task in dict.fromkeys(row.judgement["task"] for row in rows):
        of_task = [row for row in rows if row.judgement["task"] == task]
        for source in _sources(of_task):
            judged = next(row.judgement for row in of_task if source in row.judgement["sets"])
            record = judged["sets"][source]
            named = source if source != "all" else ", ".join(judged["sources"])
            parts += [
                f"### Task {task}, {named}",
                "",
                f"{judged['part']} part: {record['images']} images of {record['patients']} patients, "
                f"{record['positives']} positive. Figures at each "
                "run's own operating point; 95 % intervals by bootstrap over patients. In italics: what others "
                "report, on other images.",
                "",
                *_table(of_task, source),
                "",
            ]
    return "\n".join(parts).rstrip() + "\n"


def placed(file: Path, text: str) -> str:
    """The file with the tables between its two marks; a new one where there is none.

    @raises TrainingError if the file is there without the marks: it is somebody's
    """
    block = f"{BEGIN}\n{text}{END}\n"
    if not file.exists():
        return f"# Models compared\n\n{block}"
    old = file.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(END) < old.index(BEGIN):
        raise TrainingError(
            f"{file} is there and has no place for the table: put `{BEGIN}` and `{END}` where it belongs, or give "
            "another --out"
        )
    return old[: old.index(BEGIN)] + block + old[old.index(END) + len(END) :].removeprefix("\n")
