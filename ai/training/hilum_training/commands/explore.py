"""`train explore`: one HTML page and one JSON file about the data, to be looked at before anything is trained."""

from argparse import Namespace, _SubParsersAction

from ..data.arguments import add_sources


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("explore", help="look at the data: counts, samples, boxes, duplicates, what seems wrong")
    add_sources(p)
    p.add_argument(
        "--split", action="append", default=[], metavar="FILE", help="CSV of source, patient, part; again for more"
    )
    p.add_argument("--out", required=True, metavar="DIR", help="folder for explore.html and explore.json")
    p.add_argument("--size", type=int, default=256, help="side of the images that are compared, in pixels")
    p.add_argument("--samples", type=int, default=5, help="images shown of every class")
    p.add_argument("--seed", type=int, default=1, help="chooses them")
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """@raises TrainingError for what is wrong in the data; an older report is replaced only by a finished one"""
    import json
    from pathlib import Path

    from ..data.samples import load_images
    from ..data.sources import read_sources
    from ..data.splits import read_split
    from ..errors import TrainingError
    from ..explore.exploration import explore
    from ..explore.facts import facts
    from ..explore.page import page

    if a.size < 64:
        raise TrainingError(f"--size {a.size}: 64 or more, or nothing is to be seen")
    samples = read_sources(a.data)
    split = read_split(*map(Path, a.split)) if a.split else None
    found = explore(load_images(samples, a.size, Path(a.cache)), split)
    told = facts(found)
    files = {
        "explore.json": json.dumps({"data": a.data, "split": a.split, **told}, indent=1) + "\n",
        "explore.html": page(found, told, a.data, a.samples, a.seed),
    }
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        partial = out / f"{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.rename(out / name)
    for finding in told["findings"]:
        print(f"{finding['level']}: {finding['source']}: {finding['text']}")
    print(f"{len(samples)} images; report in {out / 'explore.html'}")
