"""CSV files and folders that come from outside: what is wrong in them is told by file, row and column."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import TrainingError

# How far outside of the frame a box may reach, as a share of it: rounding of those who made the list. It is cut off.
ROUNDING = 0.01


def folder(path: Path, what: str) -> Path:
    """@raises TrainingError if there is no such folder; `what` says which one it should be"""
    if not path.is_dir():
        raise TrainingError(f"no folder {path}: {what}")
    return path


class Row:
    """One line of a CSV file, whose cells are asked for by name."""

    def __init__(self, file: Path, number: int, cells: dict[str, str]):
        self.file, self.number, self.cells = file, number, cells

    def wrong(self, what: str) -> TrainingError:
        return TrainingError(f"{self.file}, row {self.number}: {what}")

    def text(self, column: str) -> str:
        """Without spaces around it; empty where the file has no such column."""
        return (self.cells.get(column) or "").strip()

    def required(self, column: str) -> str:
        value = self.text(column)
        if not value:
            raise self.wrong(f"column {column} is empty")
        return value

    def number_in(self, column: str) -> float:
        try:
            value = float(self.text(column))
        except ValueError:
            raise self.wrong(f"column {column}: {self.text(column)!r} is not a number") from None
        if not np.isfinite(value):
            raise self.wrong(f"column {column}: {self.text(column)!r} is not a number")
        return value

    def whole(self, column: str) -> int:
        """A whole number from 0 on; 0 where the cell is empty."""
        return round(self.number_in(column)) if self.text(column) else 0

    def box(self, frame: tuple[float, float], columns: tuple[str, str, str, str]) -> np.ndarray:
        """float32 [1, 4] in fractions, from x, y, width, height in pixels of `frame` (width, height).

        @raises TrainingError for a box of no or negative size, or one that reaches out of the frame
        """
        x, y, w, h = (self.number_in(column) for column in columns)
        shown = f"box x={x:g} y={y:g} width={w:g} height={h:g}"
        if w <= 0 or h <= 0:
            raise self.wrong(f"{shown} has no area: {columns[2]} and {columns[3]} must be above 0")
        box = np.array([[x / frame[0], y / frame[1], (x + w) / frame[0], (y + h) / frame[1]]])
        if box.min() < -ROUNDING or box.max() > 1 + ROUNDING:
            raise self.wrong(f"{shown} reaches out of the image of {frame[0]:g} x {frame[1]:g} pixels")
        return box.clip(0, 1).astype(np.float32)


def read_rows(file: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a CSV file with a heading. Row numbers count the heading as 1, as a spreadsheet shows them.

    @raises TrainingError if the file is not there, is not text, or lacks one of `columns`
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened)
            present = reader.fieldnames or []
            missing = [column for column in columns if column not in present]
            if missing:
                raise TrainingError(f"{file} has no column {', '.join(missing)}; it has {', '.join(present) or 'none'}")
            for number, cells in enumerate(reader, 2):
                yield Row(file, number, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        said = reason.strerror if isinstance(reason, OSError) else reason
        raise TrainingError(f"cannot read the list {file}: {said}") from reason
