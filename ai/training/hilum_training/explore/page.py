"""One HTML file with everything in it: nothing is loaded from anywhere, so that it can be kept and sent."""

from html import escape

from . import sections
from .exploration import WHOLE, Exploration
from .findings import KNOW, LOOK, MEND
from .style import STYLE

MOST_FILES = 40
TAGS = {MEND: "mend", LOOK: "look at", KNOW: "know"}


def _section(title: str, note: str, body: str) -> str:
    return f'<h2>{escape(title)}</h2><p class="note">{note}</p>{body}' if body else ""


def _cards(e: Exploration, facts: dict) -> str:
    boxes = sum(source["boxes"]["total"] for source in facts["sources"].values())
    patients = sum(source["patients"] for source in facts["sources"].values())
    cards = [("images", len(e.samples)), ("patients", patients), ("boxes", boxes), ("pictures twice", len(e.copies))]
    cards.append(("near-duplicate pairs", len(e.pairs)))
    html = "".join(f'<div class="card"><span>{name}</span><b>{value:,}</b></div>' for name, value in cards)
    if e.part_names != [WHOLE]:
        leaks = sum(map(e.across_parts, [*e.copies, *([p.first, p.second] for p in e.pairs)]))
        kind = "bad" if leaks else "good"
        html += f'<div class="card {kind}"><span>pictures in two parts</span><b>{leaks:,}</b></div>'
    return f'<div class="cards">{html}</div>'


def _files(files: list[str]) -> str:
    if not files:
        return ""
    shown = "".join(f"<li>{escape(file)}</li>" for file in files[:MOST_FILES])
    rest = f"and {len(files) - MOST_FILES} more, in explore.json" if len(files) > MOST_FILES else ""
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return f"<details><summary>{count}</summary><ol>{shown}</ol>{rest}</details>"


def _findings(findings: list[dict]) -> str:
    rows = ""
    for f in findings:
        told = f"<b>{escape(f['source'])}</b> {escape(f['text'])}{_files(f['files'])}"
        rows += f'<li><span class="tag {f["level"]}">{TAGS[f["level"]]}</span>{told}</li>'
    return f'<ul class="findings">{rows}</ul>' if rows else "<p>Nothing.</p>"


def page(e: Exploration, facts: dict, specs: list[str], count: int, seed: int) -> str:
    """The report of `facts` (as in explore.json) with `count` samples of every class."""
    whole = e.part_names == [WHOLE]
    split = "no split given" if whole else ", ".join(f"{part} {n:,}" for part, n in facts["parts"].items())
    title = f"Training data: {escape(', '.join(e.sources))}"
    body = [
        f'<h1>{title}</h1><p class="lead">{escape(", ".join(specs))}; {split}</p>',
        _cards(e, facts),
        _section(
            "What to look at",
            "Red must be mended before training; the rest is for a person to judge.",
            _findings(facts["findings"]),
        ),
        _section(
            "Classes and parts",
            "No split was given." if whole else "By patient: nobody is in two parts.",
            sections.counts(e, facts),
        ),
        _section(
            "Samples",
            '<span class="red">Boxes of opacities in red</span>, <span class="blue">the box of the lungs in blue'
            "</span>, where the source has them. Drawn by chance, each of another patient.",
            sections.samples(e, count, seed),
        ),
        _section("Boxes", "In shares of the image.", sections.boxes(e, facts)),
        _section("Age, sex, view", "Where the source tells them.", sections.who(e)),
        _section(
            "Image sizes",
            "As taken, where that is known; training stretches every image to a square.",
            sections.sizes(e),
        ),
        _section(
            "Gray values, and what gives the class away",
            "A number that knows nothing of lungs and still separates the classes is a shortcut that a network will "
            "take: augmentation has to close it. 0.5 is none.",
            sections.gray(e, facts),
        ),
        _section(
            "Duplicates",
            "The same exposure twice, found by a perceptual hash and confirmed on fine detail. Red frame: in two "
            "parts, under two patients, or the same pixels under two labels.",
            sections.duplicates(e),
        ),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><main>{''.join(body)}</main></html>\n"
    )
