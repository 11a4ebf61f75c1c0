"""One HTML file with everything in it: nothing is loaded from anywhere, so that it can be kept and sent."""
from html import escape

from . import charts, pictures
from .exploration import WHOLE, Exploration
from .findings import KNOW, LOOK, MEND

STYLE = """
:root { --ink: #1d2733; --gray: #66717f; --line: #dde3ea; --soft: #f5f7f9; --blue: #1f5fa8 }
* { box-sizing: border-box }
body { margin: 0; background: var(--soft); color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans", sans-serif }
main { max-width: 1160px; margin: 0 auto; padding: 32px 24px 64px }
h1 { font-size: 26px; line-height: 1.2; margin: 0 } h2 { font-size: 18px; margin: 40px 0 4px }
h3 { font-size: 14px; margin: 18px 0 6px } h3 i { font-style: normal; color: var(--gray); font-weight: 400 }
p.note { margin: 0 0 12px; color: var(--gray); max-width: 72em } .lead { margin: 6px 0 0; color: var(--gray) }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 20px }
.card, .plot, table, ul.findings { background: #fff; border: 1px solid var(--line); border-radius: 6px }
.card { padding: 12px 14px } .card b { display: block; font-size: 27px; line-height: 1.2; font-weight: 600 }
.card span { color: var(--gray); font-size: 13px; display: block } .card.bad b { color: #c0392b } .card.good b { color: #2c7a5b }
ul.findings { list-style: none; margin: 12px 0 0; padding: 0 } .findings li { padding: 9px 14px; border-top: 1px solid var(--line) }
.findings li:first-child { border-top: 0 } .findings em { font-style: normal; color: var(--gray) } .findings details { font-size: 13px; color: var(--gray) }
.findings ol { columns: 2; margin: 6px 0 } .findings ol li { border: 0; padding: 0; overflow-wrap: anywhere }
.tag { display: inline-block; min-width: 50px; text-align: center; font-size: 12px; border-radius: 10px; padding: 1px 8px; margin-right: 8px; color: #fff }
.tag.mend { background: #c0392b } .tag.look { background: #b8761f } .tag.know { background: #8a94a3 }
.plots { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; align-items: start } .plot { padding: 6px } .plot.wide { grid-column: span 2 }
.plot img { width: 100%; display: block } .plot.map img { border-radius: 4px }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { padding: 6px 10px; white-space: nowrap; text-align: right; border-top: 1px solid var(--line) } tr:first-child th { border-top: 0 }
th { font-weight: 600; color: var(--gray); font-size: 13px } td small { color: var(--gray) } th:first-child, td:first-child { text-align: left }
.pictures { display: grid; grid-template-columns: repeat(5, 1fr); gap: 10px; align-items: end } figure { margin: 0 }
figure img { width: 100%; display: block; border-radius: 4px; background: #000 }
figcaption { font-size: 12px; line-height: 1.35; color: var(--gray); overflow-wrap: anywhere; padding-top: 3px } figcaption b { color: var(--ink); font-weight: 600 }
.pairs { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px } .pair { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 8px }
.pair.bad { border-color: #c0392b; border-width: 2px } .pair div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px }
.red { color: #c0392b } .blue { color: #3b82c4 }
@media (max-width: 800px) { .plots, .pairs { grid-template-columns: 1fr } .plot.wide { grid-column: auto } .pictures { grid-template-columns: 1fr 1fr } }
@media print { body { background: #fff } .plot, .card, figure { break-inside: avoid } }
"""
MOST_PAIRS, MOST_DOUBTFUL, MOST_FILES, MOST_FAINT = 24, 8, 40, 5
TITLES = {MEND: "mend", LOOK: "look at", KNOW: "know"}


def _plot(address: str | None, kind: str = "") -> str:
    return f'<div class="plot {kind}"><img src="{address}" alt=""></div>' if address else ""


def _section(title: str, note: str, body: str) -> str:
    return f'<h2>{escape(title)}</h2><p class="note">{note}</p>{body}' if body else ""


def _cards(e: Exploration, facts: dict) -> str:
    leaks = sum(e.across_parts(g) for g in e.copies) + sum(e.across_parts([p.first, p.second]) for p in e.pairs)
    boxes = sum(source["boxes"]["total"] for source in facts["sources"].values())
    cards = [("images", f"{len(e.samples):,}", ""), ("patients", f"{sum(s['patients'] for s in facts['sources'].values()):,}", ""),
             ("boxes", f"{boxes:,}", ""), ("pictures more than once", f"{len(e.copies):,}", ""), ("near-duplicate pairs", f"{len(e.pairs):,}", "")]
    if e.part_names != [WHOLE]:
        cards.append(("pictures in two parts", f"{leaks:,}", "bad" if leaks else "good"))
    return '<div class="cards">' + "".join(
        f'<div class="card {kind}"><span>{name}</span><b>{value}</b></div>' for name, value, kind in cards) + "</div>"


def _findings(facts: dict) -> str:
    def files(finding: dict) -> str:
        if not finding["files"]:
            return ""
        shown = "".join(f"<li>{escape(file)}</li>" for file in finding["files"][:MOST_FILES])
        more = len(finding["files"]) - MOST_FILES
        return f"<details><summary>{len(finding['files'])} {'file' if len(finding['files']) == 1 else 'files'}</summary><ol>{shown}</ol>" + (
            f"and {more} more, in explore.json" if more > 0 else "") + "</details>"

    rows = "".join(
        f'<li><span class="tag {f["level"]}">{TITLES[f["level"]]}</span><b>{escape(f["source"])}</b> {escape(f["text"])}{files(f)}</li>'
        for f in facts["findings"])
    return f'<ul class="findings">{rows}</ul>' if rows else '<p class="note">Nothing.</p>'


def _counts(e: Exploration, facts: dict) -> str:
    head = "".join(f"<th>{part}</th>" for part in e.part_names)
    rows = ""
    for source, told in facts["sources"].items():
        for label, by_part in told["counts"].items():
            cells = "".join(f"<td>{n['images']:,} <br><small>{n['patients']:,}</small></td>" for n in by_part.values())
            rows += f"<tr><td>{source} <b>{label}</b></td>{cells}</tr>"
    table = f"<table><tr><th>images<br><small>patients</small></th>{head}</tr>{rows}</table>"
    return f'<div class="plots">{_plot(charts.counts(e), "wide")}<div>{table}</div></div>'


def _who(e: Exploration, facts: dict) -> str:
    drawn = "".join(map(_plot, (charts.age(e), charts.bars(e, "Sex", "sex"), charts.bars(e, "View", "view"))))
    return f'<div class="plots">{drawn}</div>' if drawn else ""


def _sizes(e: Exploration) -> str:
    drawn = _plot(charts.sizes(e)) + "".join(_plot(charts.aspect(e, source)) for source in e.sources)
    return f'<div class="plots">{drawn}</div>' if drawn else ""


def _caption(e: Exploration, i: int) -> str:
    sample = e.samples[i]
    told = [sample.detail, f"{sample.age:.0f} years" if sample.age is not None else "", sample.sex, sample.view,
            f"{sample.width} x {sample.height}" if sample.width else "", e.parts[i] if e.parts[i] != WHOLE else ""]
    return f"<b>{escape(sample.path.name)}</b><br>{escape(', '.join(filter(None, [sample.patient, *told])))}"


def _figure(e: Exploration, i: int, extra: str = "") -> str:
    picture = pictures.draw(e.images.images[i], e.samples[i])
    return f'<figure><img src="{picture}" alt=""><figcaption>{_caption(e, i)}{extra}</figcaption></figure>'


def _samples(e: Exploration, count: int, seed: int) -> str:
    html = ""
    for source in e.sources:
        for label in e.labels_of(source):
            figures = "".join(_figure(e, i) for i in pictures.chosen(e, source, label, count, seed))
            html += f'<h3>{source}: {label} <i>{len(e.where(source, label)):,} images</i></h3><div class="pictures">{figures}</div>'
    return html


def _boxes(e: Exploration, facts: dict) -> str:
    html = ""
    for source in e.sources:
        if facts["sources"][source]["boxes"]["total"]:
            heat, top = pictures.heat_map(e, source)
            html += _plot(heat, "map").replace("</div>", f"<figcaption><b>{source}</b>: where boxes lie, over the mean radiograph. "
                                               f"Brightest: in {100 * top:.0f} % of the images that have boxes.</figcaption></div>")
            html += _plot(charts.box_sizes(e, source)) + _plot(charts.boxes_an_image(e, source))
    return f'<div class="plots">{html}</div>' if html else ""


def _gray(e: Exploration, facts: dict) -> str:
    html = ""
    for source in e.sources:
        means = "".join(f'<figure><img src="{pictures.mean_picture(e, source, label)}" alt=""><figcaption>mean of <b>{label}</b></figcaption></figure>'
                        for label in e.labels_of(source))
        rows = "".join(f"<tr><td>{name}</td><td>{value:.2f}</td></tr>" for name, value in facts["sources"][source]["shortcuts"].items())
        html += (f'<h3>{source}</h3><div class="plots">{_plot(charts.gray(e, source))}{_plot(charts.contrast(e, source))}'
                 f"<table><tr><th>pneumonia against normal by</th><th>AUC</th></tr>{rows}</table></div>"
                 f'<div class="pictures" style="margin-top:12px">{means}</div>')
        faint = [i for i in e.where(source)[e.gray.contrast[e.where(source)].argsort()][:MOST_FAINT]]
        html += f'<h3>{source}: <i>least contrast</i></h3><div class="pictures">' + "".join(
            _figure(e, i, f"<br>{e.gray.contrast[i]:.0f} gray levels") for i in faint) + "</div>"
    return html


def _pair(e: Exploration, indices: list[int], text: str, bad: bool) -> str:
    shown = "".join(f'<img src="{pictures.draw(e.images.images[i], e.samples[i], 150)}" alt="">' for i in indices[:2])
    names = "<br>".join(f"{escape(e.samples[i].path.name)}: {escape(e.samples[i].patient)}, {e.samples[i].label}, {e.parts[i]}" for i in indices[:4])
    return f'<figure class="pair {"bad" if bad else ""}"><div>{shown}</div><figcaption><b>{text}</b><br>{names}</figcaption></figure>'


def _duplicates(e: Exploration) -> str:
    def worst(indices: list[int]) -> tuple[bool, bool]:
        return not e.across_parts(indices), not e.across_patients(indices)

    def wrong(indices: list[int]) -> bool:
        return e.across_parts(indices) or e.across_patients(indices)

    near = sorted(e.pairs, key=lambda p: (worst([p.first, p.second]), -p.likeness))
    copies = sorted(e.copies, key=worst)
    html = ""
    if near:
        html += f'<h3>Near-duplicates <i>{len(near)} pairs</i></h3><div class="pairs">' + "".join(
            _pair(e, [p.first, p.second], f"likeness {p.likeness:.2f}, {p.distance} bits apart", wrong([p.first, p.second]))
            for p in near[:MOST_PAIRS]) + "</div>"
    if copies:
        html += f'<h3>The same pixels <i>{len(copies)} pictures</i></h3><div class="pairs">' + "".join(
            _pair(e, group, f"{len(group)} times", wrong(group) or len({e.samples[i].label for i in group}) > 1)
            for group in copies[:MOST_PAIRS]) + "</div>"
    if e.doubtful:
        html += (f'<h3>Two patients, much alike <i>strangers, or one person under two names? the first of {len(e.doubtful)} pairs</i></h3>'
                 '<div class="pairs">' + "".join(
                     _pair(e, [p.first, p.second], f"likeness {p.likeness:.2f}, {p.distance} bits apart", False)
                     for p in e.doubtful[:MOST_DOUBTFUL]) + "</div>")
    return html


def page(e: Exploration, facts: dict, specs: list[str], count: int, seed: int) -> str:
    """The report of `facts` (as in explore.json) with `count` samples of every class."""
    split = "no split given" if e.part_names == [WHOLE] else ", ".join(f"{part} {n:,}" for part, n in facts["parts"].items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Training data</title><style>{STYLE}</style><main><h1>Training data: {escape(', '.join(e.sources))}</h1>"
        f'<p class="lead">{escape(", ".join(specs))}; {split}</p>{_cards(e, facts)}'
        + _section("What to look at", "Red must be mended before training; the rest is for a person to judge.", _findings(facts))
        + _section("Classes and parts", "No split was given." if e.part_names == [WHOLE] else "By patient: nobody is in two parts.", _counts(e, facts))
        + _section("Samples", '<span class="red">Boxes of opacities in red</span>, <span class="blue">the box of the lungs in blue</span>, '
                   "where the source has them. Drawn by chance, each of another patient.", _samples(e, count, seed))
        + _section("Boxes", "In shares of the image.", _boxes(e, facts))
        + _section("Age, sex, view", "Where the source tells them.", _who(e, facts))
        + _section("Image sizes", "As taken, where that is known; training stretches every image to a square.", _sizes(e))
        + _section("Gray values, and what gives the class away", "A number that knows nothing of lungs and still separates the classes is a "
                   "shortcut that a network will take: augmentation has to close it. 0.5 is none.", _gray(e, facts))
        + _section("Duplicates", "The same exposure twice, found by a perceptual hash and confirmed on fine detail. "
                   "Red frame: in two parts, under two patients, or the same pixels under two labels.", _duplicates(e))
        + "</main></html>\n"
    )
