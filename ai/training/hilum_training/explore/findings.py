"""What looks wrong in the data, in sentences: each with a level and the files to look at."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..data.samples import LABELS
from .exploration import WHOLE, Exploration
from .shortcuts import shortcuts

MEND, LOOK, KNOW = "mend", "look", "know"
# Below this many gray levels between the 5th and the 95th percentile a radiograph is a gray sheet: 1 in 500 of SIIM.
LEAST_CONTRAST = 50
# A box narrower than this share of the image is a slip of the mouse, one larger than that a lung and what is beside it.
LEAST_SIDE, LARGEST_AREA = 0.02, 0.5
SAME_BOX = 0.8  # IoU
# A number that knows nothing of lungs and separates the classes this well will be learnt in their stead.
TELLING = 0.7
OLDEST = 110
UNBALANCED = 4.0


@dataclass(frozen=True)
class Finding:
    """`mend`: training would be wrong; `look`: a person should; `know`: so it is. `files`: all that are meant."""

    level: str
    source: str
    text: str
    files: list[str] = field(default_factory=list)


def _plural(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    return f"{count:,} {what[:-1] + 'ies' if what.endswith('y') else what + 'es' if what.endswith('x') else what + 's'}"


def _copies(e: Exploration) -> Iterator[Finding]:
    def told(groups: list[list[int]]) -> tuple[str, list[str]]:
        indices = [i for group in groups for i in group]
        return ", ".join(sorted({e.samples[i].source for i in indices})), [str(e.samples[i].path) for i in indices]

    def finding(level: str, groups: list[list[int]], text: str, noun: str = "picture") -> Iterator[Finding]:
        if groups:
            source, files = told(groups)
            yield Finding(level, source, f"{_plural(len(groups), noun)} {text}", files)

    yield from finding(
        MEND, [g for g in e.copies if e.across_parts(g)], "in two parts of the split at once, pixel for pixel"
    )
    near = [[p.first, p.second] for p in e.pairs if e.across_parts([p.first, p.second])]
    yield from finding(MEND, near, "across two parts of the split that seem to be one exposure", "pair")
    yield from finding(
        MEND,
        [g for g in e.copies if len({e.samples[i].label for i in g}) > 1],
        "under two different labels, pixel for pixel",
    )
    yield from finding(
        LOOK, [g for g in e.copies if e.across_patients(g)], "under two patients, pixel for pixel: they are one person"
    )
    near = [
        [p.first, p.second]
        for p in e.pairs
        if e.across_patients([p.first, p.second]) and not e.across_parts([p.first, p.second])
    ]
    yield from finding(LOOK, near, "of two patients that seem to be one exposure", "pair")
    boxes = [g for g in e.copies if len({e.samples[i].boxes.tobytes() for i in g}) > 1]
    yield from finding(LOOK, boxes, "with different boxes in two copies of it")
    more = sum(len(g) - 1 for g in e.copies)
    if more:
        source, files = told(e.copies)
        yield Finding(
            KNOW,
            source,
            f"{_plural(more, 'image')} too many: {_plural(len(e.copies), 'picture')} more than once, pixel for pixel",
            files,
        )
    near = [[p.first, p.second] for p in e.pairs if not e.across_patients([p.first, p.second])]
    yield from finding(KNOW, near, "of one patient in copies that differ slightly, or taken twice just alike", "pair")


def _classes(e: Exploration) -> Iterator[Finding]:
    for source in e.sources:
        labels = e.labels_of(source)
        count = Counter(e.samples[i].label for i in e.where(source))
        for part in e.part_names:
            for label in labels:
                if part != WHOLE and len(e.where(source, part=part)) and not len(e.where(source, label, part)):
                    yield Finding(MEND, source, f"class {label} is empty in {part}")
        if len(labels) == 1:
            yield Finding(LOOK, source, f"only {labels[0]}: whatever tells this source from the others tells the class")
        elif max(count.values()) > UNBALANCED * min(count.values()):
            text = ", ".join(f"{label} {count[label]:,}" for label in LABELS if label in count)
            yield Finding(KNOW, source, f"classes are far from balanced: {text}")
        patients: dict[str, set[str]] = defaultdict(set)
        for i in e.where(source):
            patients[e.samples[i].patient].add(e.samples[i].label)
        mixed = Counter(" and ".join(sorted(found)) for found in patients.values() if len(found) > 1)
        for names, number in mixed.items():
            yield Finding(KNOW, source, f"{_plural(number, 'patient')} with images that are {names}")
        if source == "csv" and len(patients) == len(e.where(source)):
            yield Finding(LOOK, source, "every image is a patient of its own: is the column patient missing?")


def _pixels(e: Exploration) -> Iterator[Finding]:
    for source in e.sources:
        at = e.where(source)
        blank = at[e.gray.contrast[at] == 0]
        faint = at[(e.gray.contrast[at] > 0) & (e.gray.contrast[at] < LEAST_CONTRAST)]
        faint = faint[np.argsort(e.gray.contrast[faint])]
        if len(blank):
            yield Finding(
                MEND,
                source,
                f"{_plural(len(blank), 'image')} of one gray value",
                [str(e.samples[i].path) for i in blank],
            )
        if len(faint):
            yield Finding(
                LOOK,
                source,
                f"{_plural(len(faint), 'image')} with hardly any contrast (under {LEAST_CONTRAST} gray levels)",
                [str(e.samples[i].path) for i in faint],
            )
        telling = [f"{what} {area:.2f}" for what, area in shortcuts(e, source).items() if area >= TELLING]
        if telling:
            yield Finding(
                LOOK,
                source,
                f"what knows nothing of lungs separates pneumonia from normal; AUC of {', '.join(telling)}",
            )
        old = [i for i in at if (e.samples[i].age or 0) > OLDEST]
        if old:
            yield Finding(
                LOOK,
                source,
                f"{_plural(len(old), 'image')} of people older than {OLDEST} years",
                [str(e.samples[i].path) for i in old],
            )


def _same_boxes(boxes: np.ndarray) -> bool:
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
            shared = max(width, 0) * max(height, 0)
            if shared > SAME_BOX * ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared):
                return True
    return False


def _boxes(e: Exploration) -> Iterator[Finding]:
    for source in e.sources:
        samples = [e.samples[i] for i in e.where(source)]
        boxed = [sample for sample in samples if len(sample.boxes)]
        sides = {sample: sample.boxes[:, 2:] - sample.boxes[:, :2] for sample in boxed}
        checks = {
            f"with a box narrower than {100 * LEAST_SIDE:g} % of the image": lambda s: sides[s].min() < LEAST_SIDE,
            f"with a box over more than {100 * LARGEST_AREA:g} % of the image": lambda s: (
                sides[s].prod(1).max() > LARGEST_AREA
            ),
            "with nearly the same box twice": lambda s: _same_boxes(s.boxes),
            "with a box whose centre is outside of the lung box": _outside_lungs,
        }
        for text, check in checks.items():
            found = [str(sample.path) for sample in boxed if check(sample)]
            if found:
                yield Finding(LOOK, source, f"{_plural(len(found), 'image')} {text}", found)
        without = sum(sample.positive and not len(sample.boxes) for sample in samples)
        if without:
            yield Finding(
                KNOW,
                source,
                f"{_plural(without, 'positive')} without a box: a detector learns only the label from them",
            )


def _outside_lungs(sample) -> bool:
    if sample.lung is None:
        return False
    centres = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2
    return bool((centres < sample.lung[:2]).any() or (centres > sample.lung[2:]).any())


def findings(e: Exploration) -> list[Finding]:
    """What must be mended first, then what to look at, then what to know."""
    found = [*_copies(e), *_classes(e), *_boxes(e), *_pixels(e)]
    return sorted(found, key=lambda finding: (MEND, LOOK, KNOW).index(finding.level))
