"""The parts of the report that show pictures and plots, each as HTML; empty where there is nothing to show."""

from html import escape

from . import charts, pictures
from .exploration import WHOLE, Exploration

MOST_PAIRS, MOST_DOUBTFUL, MOST_FAINT = 24, 12, 5
PAIR_SIDE = 150  # pixels


def _plot(address: str | None, kind: str = "", caption: str = "") -> str:
    if not address:
        return ""
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<div class="plot {kind}"><img src="{address}" alt="">{told}</div>'


def _grid(kind: str, *items: str) -> str:
    return f'<div class="{kind}">{"".join(items)}</div>' if any(items) else ""


def _figure(address: str, caption: str) -> str:
    return f'<figure><img src="{address}" alt=""><figcaption>{caption}</figcaption></figure>'


def _radiograph(e: Exploration, i: int, extra: str = "") -> str:
    sample = e.samples[i]
    told = [
        sample.patient,
        sample.detail,
        f"{sample.age:.0f} years" if sample.age is not None else "",
        sample.sex,
        sample.view,
        f"{sample.width} x {sample.height}" if sample.width else "",
        e.parts[i] if e.parts[i] != WHOLE else "",
        extra,
    ]
    caption = f"<b>{escape(sample.path.name)}</b><br>{escape(', '.join(filter(None, told)))}"
    return _figure(pictures.draw(e.images.images[i], sample), caption)


def counts(e: Exploration, facts: dict) -> str:
    head = "".join(f"<th>{part}</th>" for part in e.part_names)
    rows = ""
    for source, told in facts["sources"].items():
        for label, by_part in told["counts"].items():
            cells = "".join(f"<td>{n['images']:,}<br><small>{n['patients']:,}</small></td>" for n in by_part.values())
            rows += f"<tr><td>{source} <b>{label}</b></td>{cells}</tr>"
    table = f"<table><tr><th>images<br><small>patients</small></th>{head}</tr>{rows}</table>"
    return _grid("plots", _plot(charts.counts(e), "wide"), table)


def samples(e: Exploration, count: int, seed: int) -> str:
    html = ""
    for source in e.sources:
        for label in e.labels_of(source):
            html += f"<h3>{source}: {label} <i>{len(e.where(source, label)):,} images</i></h3>"
            html += _grid("pictures", *(_radiograph(e, i) for i in pictures.chosen(e, source, label, count, seed)))
    return html


def boxes(e: Exploration, facts: dict) -> str:
    plots = []
    for source in e.sources:
        if facts["sources"][source]["boxes"]["total"]:
            heat, top = pictures.heat_map(e, source)
            caption = (
                f"<b>{source}</b>: where boxes lie, over the mean radiograph. "
                f"Brightest: in {100 * top:.0f} % of the images that have boxes."
            )
            plots += [_plot(heat, caption=caption), _plot(charts.box_sizes(e, source))]
            plots.append(_plot(charts.boxes_an_image(e, source)))
    return _grid("plots", *plots)


def who(e: Exploration) -> str:
    return _grid("plots", *map(_plot, (charts.age(e), charts.bars(e, "Sex", "sex"), charts.bars(e, "View", "view"))))


def sizes(e: Exploration) -> str:
    return _grid("plots", _plot(charts.sizes(e)), *(_plot(charts.aspect(e, source)) for source in e.sources))


def gray(e: Exploration, facts: dict) -> str:
    html = ""
    for source in e.sources:
        rows = "".join(
            f"<tr><td>{name}</td><td>{value:.2f}</td></tr>"
            for name, value in facts["sources"][source]["shortcuts"].items()
        )
        table = f"<table><tr><th>pneumonia against normal by</th><th>AUC</th></tr>{rows}</table>"
        means = [
            _figure(pictures.mean_picture(e, source, label), f"mean of <b>{label}</b>") for label in e.labels_of(source)
        ]
        at = e.where(source)
        faint = at[e.gray.contrast[at].argsort()][:MOST_FAINT]
        html += f"<h3>{source}</h3>"
        html += _grid("plots", _plot(charts.gray(e, source)), _plot(charts.contrast(e, source)), table)
        html += _grid("pictures", *means) + f"<h3>{source}: <i>least contrast</i></h3>"
        html += _grid("pictures", *(_radiograph(e, i, f"{e.gray.contrast[i]:.0f} gray levels") for i in faint))
    return html


def _pair(e: Exploration, indices: list[int], text: str, bad: bool) -> str:
    shown = "".join(
        f'<img src="{pictures.draw(e.images.images[i], e.samples[i], PAIR_SIDE)}" alt="">' for i in indices[:2]
    )
    names = "".join(
        f"<br>{escape(s.path.name)}: {escape(s.patient)}, {s.label}, {e.parts[i]}"
        for i, s in ((i, e.samples[i]) for i in indices[:4])
    )
    caption = f"<figcaption><b>{text}</b>{names}</figcaption>"
    return f'<figure class="pair {"bad" if bad else ""}"><div>{shown}</div>{caption}</figure>'


def duplicates(e: Exploration) -> str:
    """The worst first: across parts, then across patients."""

    def rank(indices: list[int]) -> tuple[bool, bool]:
        return not e.across_parts(indices), not e.across_patients(indices)

    def labels(group: list[int]) -> int:
        return len({e.samples[i].label for i in group})

    def alike(p) -> str:
        return f"likeness {p.likeness:.2f}, {p.distance} bits apart"

    html = ""
    if e.pairs:
        near = sorted(e.pairs, key=lambda p: (rank([p.first, p.second]), -p.likeness))[:MOST_PAIRS]
        html += f"<h3>Near-duplicates <i>{len(e.pairs)} pairs</i></h3>"
        html += _grid(
            "pairs",
            *(_pair(e, [p.first, p.second], alike(p), rank([p.first, p.second]) != (True, True)) for p in near),
        )
    if e.copies:
        copies = sorted(e.copies, key=rank)[:MOST_PAIRS]
        html += f"<h3>The same pixels <i>{len(e.copies)} pictures</i></h3>"
        html += _grid(
            "pairs",
            *(_pair(e, g, f"{len(g)} times", rank(g) != (True, True) or labels(g) > 1) for g in copies),
        )
    if e.doubtful:
        note = f"{len(e.doubtful)} pairs: strangers, or one person under two names? Those in two parts first."
        html += f"<h3>Two patients, much alike <i>{note}</i></h3>"
        html += _grid("pairs", *(_pair(e, [p.first, p.second], alike(p), False) for p in e.doubtful[:MOST_DOUBTFUL]))
    return html
