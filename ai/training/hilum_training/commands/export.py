"""`train export`: a model package for the gateway out of one run, or of several that are averaged in one graph."""

import shlex
import sys
from argparse import Namespace, _SubParsersAction
from pathlib import Path

from ..judge.arguments import add_judging

FILES = ("model.onnx", "MODEL_CARD.md", "manifest.yaml")


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("export", help="a model package: model.onnx, manifest.yaml, MODEL_CARD.md")
    p.add_argument(
        "--run",
        action="append",
        required=True,
        type=Path,
        dest="runs",
        help="the --out of a fit; several become one graph that averages",
    )
    p.add_argument("--out", required=True, type=Path, help="folder of the package")
    p.add_argument("--name", required=True)
    p.add_argument("--version", required=True)
    p.add_argument("--variant", default="fp16", choices=("float32", "fp16", "int8"), help="how weights are stored")
    p.add_argument("--finding", default="opacity", choices=("opacity", "pneumonia"), help="what a single logit is of")
    p.add_argument("--ages", type=float, nargs=2, metavar=("MIN", "MAX"), help="years; without it, all")
    p.add_argument("--known-age", action="store_true", help="not for patients whose age is not told")
    p.add_argument("--history", metavar="TEXT", help="how the weights came about, where the runs do not tell; for the card")
    p.add_argument("--views", nargs="+", default=["PA", "AP", ""], help="'' stands for absent")
    p.add_argument("--licence", help="of the weights; known for the public sources")
    p.add_argument("--intended-use")
    p.add_argument("--manufacturer", default="Hilum")
    p.add_argument("--device-uid", help="without it, one that follows from name and version")
    p.add_argument("--max-mb", type=float, default=50, help="a larger file is refused")
    p.add_argument("--check", type=Path, help="folder for what `node ai/training/check_onnx.mjs MODEL FOLDER` compares")
    p.add_argument("--replace", action="store_true", help="over the package that is in --out")
    add_judging(p)
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """Write the package. @raises TrainingError for what stands against it; nothing is written then"""
    import torch

    from ..errors import TrainingError
    from ..export.card import card
    from ..export.facts import intended_use, licence
    from ..export.manifest import Identity, device_uid, manifest
    from ..export.package import figures, labels, make
    from ..export.reference import reference
    from ..judge.held import held_sets, options
    from ..judge.record import headline
    from ..judge.runs import load_runs
    from ..kept import write_all
    from ..networks.origins import all_origins

    there = [name for name in FILES if (a.out / name).exists()]
    if there and not a.replace:
        raise TrainingError(f"{a.out} holds {', '.join(there)} already: give another --out, or --replace")
    if a.part == "train":
        raise TrainingError("--part train: the figures of a package are of patients that it was not trained on")
    chosen = options(a)
    torch.set_num_threads(a.threads)
    runs = load_runs(a.runs, a.checkpoint)
    origins = [one for config in runs.configs for one in all_origins(config)]
    sources = {spec.partition(":")[0] for one in [*runs.configs, *origins] for spec in one.get("data", [])}
    who = Identity(
        a.name,
        a.version,
        licence(sources, origins, a.licence),
        a.intended_use or intended_use(a.finding if len(runs.labels) == 1 else "pneumonia"),
        a.manufacturer,
        a.device_uid or device_uid(a.name, a.version),
        tuple(a.ages) if a.ages else None,
        a.known_age,
        tuple(a.views),
    )
    sets = held_sets(a, runs)
    made = make(runs, sets, a, chosen)
    named = f"validation and {a.part} part of {', '.join(made.judgement['sources'])}"
    probability = [made.fitted.calibration.probability(made.answers[part].logits) for part in sets]
    watched = reference(
        named,
        list(sets.values()),
        torch.cat([torch.from_numpy(p) for p in probability]).numpy(),
        made.fitted.point.threshold,
    )
    text = manifest(
        who, made.digest, runs.size, runs.task, labels(runs, a.finding), made.fitted, figures(made), watched
    )
    # The history stands in the card already, above the command.
    said = [part for part in sys.argv[1:] if part not in ("--history", a.history)]
    command = f"ai/training/train {shlex.join(said)}"
    told = card(who, made.judgement, runs.configs, runs.lengths, sources, made.checks, command, a.history)
    write_all(a.out, {"model.onnx": made.content, "MODEL_CARD.md": told.encode(), "manifest.yaml": text.encode()})
    print(headline(made.judgement))
    largest = ", ".join(f"{name} {value:.2g}" for name, value in made.checks.plain.difference.items())
    print(f"ONNX against PyTorch on {made.checks.images} images, largest difference: {largest}")
    for name, value in made.checks.lost.items():
        print(f"{a.variant} costs {value:+.5f} AUC on {name}")
    print(
        f"{a.out}: {len(made.content) / 1e6:.1f} MB, {made.checks.shipped.median_ms:g} ms an image on two threads "
        f"(median; best {made.checks.shipped.fastest_ms:g})"
    )
