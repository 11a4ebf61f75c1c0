"""`train judge`: how good a run is, as figures with intervals, a list of predictions, and a report to look at."""

import csv
import io
import json
from argparse import Namespace, _SubParsersAction
from pathlib import Path

from ..judge.arguments import add_judging


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("judge", help="figures with intervals, operating point, calibration, an HTML report")
    p.add_argument(
        "--run", action="append", required=True, type=Path, dest="runs", help="the --out of a fit; several are averaged"
    )
    p.add_argument("--out", type=Path, help="folder of the judgement; without it, judge-PART in the run")
    add_judging(p)
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """Write judgement.json, predictions.csv, report.html. @raises TrainingError for what stands against it"""
    import torch

    from ..errors import TrainingError
    from ..judge import report
    from ..judge.answers import ask
    from ..judge.fitting import fit
    from ..judge.held import held_sets, options
    from ..judge.judgement import judge
    from ..judge.record import describe, fitted_record, headline
    from ..judge.runs import load_runs
    from ..kept import write_all

    chosen = options(a)
    torch.set_num_threads(a.threads)
    runs = load_runs(a.runs, a.checkpoint)
    if len(a.runs) > 1 and not a.out:
        raise TrainingError(f"{len(a.runs)} runs are judged as one: say with --out where, or it would pass for {a.runs[0]}'s")
    sets = held_sets(a, runs)
    reader = runs.reader(a.flip)
    answers = {part: ask(reader, images) for part, images in sets.items()}
    fitted = fit(answers["validation"], runs.labels, runs.positive, chosen)
    judgement = describe(runs, a) | fitted_record(fitted) | judge(answers[a.part], fitted, a.part, chosen)
    title = f"{runs.config['arch']}, {runs.task}, {runs.size} x {runs.size}" + (
        f", {len(a.runs)} runs averaged" if len(a.runs) > 1 else ""
    )
    if a.part == "train":
        title += ", on the very part that it was trained on"
    page = report.page(title, judgement, answers[a.part], sets[a.part].images, fitted)
    folder = a.out or a.runs[0] / f"judge-{a.part}"
    write_all(
        folder,
        {
            "judgement.json": (json.dumps(judgement, indent=2) + "\n").encode(),
            "predictions.csv": _predictions(answers[a.part], fitted).encode(),
            "report.html": page.encode(),
        },
    )
    print(title)
    print(headline(judgement))
    print(f"{folder / 'report.html'}")


def _predictions(answers, fitted) -> str:
    """One line an image: what it is, what was told, and the regions as `x1 y1 x2 y2 score` in pixels of the network's
    frame."""
    from ..judge.fitting import told

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"p {label}" for label in fitted.labels] if len(fitted.labels) > 1 else []
    writer.writerow(["source", "patient", "file", "label", "probability", "positive", *names, "regions"])
    probability, classes = fitted.calibration.probability(answers.logits), fitted.calibration.classes(answers.logits)
    for sample, p, each, found in zip(answers.samples, probability, classes, told(answers, fitted)):
        regions = "; ".join(
            " ".join([*(f"{v:.1f}" for v in box), f"{score:.3f}"]) for box, score in zip(found.boxes, found.scores)
        )
        kinds = [f"{v:.4f}" for v in each] if names else []
        writer.writerow(
            [
                sample.source,
                sample.patient,
                sample.path.name,
                sample.label,
                f"{p:.4f}",
                int(p >= fitted.point.threshold),
                *kinds,
                regions,
            ]
        )
    return text.getvalue()
