"""Kermany, Zhang, Goldbaum (doi 10.17632/rscbjbr9sj.2): children of 1 to 5 years, image labels only.

NORMAL/IM-0115-0001.jpeg, NORMAL/NORMAL2-IM-1419-0001.jpeg, PNEUMONIA/person1_bacteria_2.jpeg, …_virus_….
"""

import re
from pathlib import Path

from ..errors import TrainingError
from .listing import folder, read_rows
from .pixels import dimensions
from .samples import NORMAL, Sample

NAMES = {
    "NORMAL": re.compile(r"(?P<patient>IM-\d+)"),
    "PNEUMONIA": re.compile(r"(?P<patient>person\d+)_(?P<kind>bacteria|virus)_"),
}
KINDS = {"bacteria": "bacterial", "virus": "viral"}
LAYOUT = "Kermany's layout is NORMAL/ and PNEUMONIA/ with JPEG files"


def _sizes_as_taken(place: Path) -> dict[str, tuple[int, int]]:
    """Width and height by file name, where only stretched copies are left but kermany-lungmask/ lies beside them."""
    listing = place.parent / "kermany-lungmask" / "masks.csv"
    if not listing.exists():
        return {}
    rows = read_rows(listing, ("image", "orig_w", "orig_h"))
    return {Path(row.required("image")).name: (row.whole("orig_w"), row.whole("orig_h")) for row in rows}


def _size(path: Path) -> tuple[int, int]:
    # None of the originals is a square: a square one is a stretched copy, which says nothing of the radiograph.
    width, height = dimensions(path)
    return (0, 0) if width == height else (width, height)


def read_kermany(place: Path) -> list[Sample]:
    """@raises TrainingError if a folder or its images are missing, or a file name tells no patient or kind"""
    folder(place, LAYOUT)
    as_taken = _sizes_as_taken(place)
    samples = []
    for name, pattern in NAMES.items():
        paths = sorted(
            p for p in folder(place / name, LAYOUT).iterdir() if p.suffix.lower() in (".jpeg", ".jpg", ".png")
        )
        if not paths:
            raise TrainingError(f"class {name} is empty: no images in {place / name}")
        for path in paths:
            found = pattern.search(path.name)
            if not found:
                raise TrainingError(f"the file name tells no patient{' or kind' * (name != 'NORMAL')}: {path}")
            label = KINDS[found["kind"]] if name == "PNEUMONIA" else NORMAL
            width, height = as_taken.get(path.name) or _size(path)
            samples.append(
                Sample(path, found["patient"], "kermany", label, located=label == NORMAL, width=width, height=height)
            )
    return samples
