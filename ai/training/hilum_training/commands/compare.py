"""`train compare`: judged runs as a table, with what they cost to run, beside published figures."""

import json
from argparse import Namespace, _SubParsersAction
from pathlib import Path


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("compare", help="a table of judged runs, for docs/models.md")
    p.add_argument(
        "--runs", nargs="+", required=True, type=Path, metavar="DIR", help="runs that `train judge` has judged"
    )
    p.add_argument(
        "--out", required=True, type=Path, metavar="FILE.md", help="written anew, or between the marks that it has"
    )
    p.add_argument("--part", default="test", choices=("train", "validation", "test"))
    p.add_argument("--checkpoint", default="best", choices=("best", "last"))
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """@raises TrainingError if a run was not judged, or --out is a file without a place for the table"""
    from tempfile import TemporaryDirectory

    import numpy as np

    from ..compare.table import Row, placed, tables
    from ..errors import TrainingError
    from ..export import runtime
    from ..export.graph import to_onnx
    from ..export.variants import shrink
    from ..judge.runs import load_runs
    from ..kept import write_all

    placed(a.out, "")  # refused before the runs are timed
    rows = []
    for folder in a.runs:
        file = folder / f"judge-{a.part}" / "judgement.json"
        if not file.is_file():
            raise TrainingError(f"no {file}: judge the run first, `train judge --run {folder} --part {a.part}`")
        judgement = json.loads(file.read_text())
        judged = judgement["run"]
        if ", " in judged["runs"] or judged["checkpoint"] != a.checkpoint:
            raise TrainingError(f"{file} is of {judged['runs']}, {judged['checkpoint']} weights: judge {folder} itself, with --checkpoint {a.checkpoint}")
        runs = load_runs([folder], a.checkpoint)
        model = shrink(to_onnx(runs.reader(judgement["flip"]), runs.size), "fp16")
        with TemporaryDirectory() as beside:
            path = Path(beside) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            ran = runtime.ask(path, np.zeros((1, runs.size, runs.size), np.uint8), timed=runtime.TIMED)
            megabytes = path.stat().st_size / 1e6
        weights = runs.config["options"].get("weights")
        began = "" if not weights else ", pretrained"
        name = runs.config["arch"] + (f" ({runs.config['backbone']})" if runs.task == "detection" else "") + began
        shown = runs.progress[0]["step"] * runs.config["options"]["batch"]
        minutes = runs.progress[0]["seconds"] / 60
        trained = f"{runs.size} px, {shown:,} images shown in {minutes:.1f} minutes" + (
            ", asked with its mirror image" if judgement["flip"] else ""
        )
        parameters = sum(p.numel() for p in runs.networks[0].parameters())
        rows.append(Row(judgement, name, trained, parameters, ran.fastest_ms, megabytes))
        print(f"{folder}: {name}, {ran.fastest_ms:g} ms an image at best, {ran.median_ms:g} in the median", flush=True)
    write_all(a.out.parent, {a.out.name: placed(a.out, tables(rows)).encode()})
    print(a.out)
