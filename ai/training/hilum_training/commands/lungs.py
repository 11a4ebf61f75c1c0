"""`train lungs`: the model of the lungs, which severity is measured by. It learns from outlines and from boxes, and has
no finding: so it is trained, judged and exported by commands of its own."""
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

SPLITS = [Path("ai/training/splits/kermany.csv"), Path("ai/training/splits/siim.csv")]


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("lungs", help="the model of the lungs: fit, judge, export")
    subs = p.add_subparsers(dest="sub", required=True, metavar="SUB")
    _add_fit(subs.add_parser("fit", help="train, or go on with the run in --out"))
    judge = subs.add_parser("judge", help="dice, boxes, what the gateway accepts; a sheet of pictures")
    judge.add_argument("--run", required=True, type=Path, dest="folder", help="the --out of a fit")
    _add_judging(judge)
    judge.set_defaults(run=_judge)
    export = subs.add_parser("export", help="a model package with purpose: lungs")
    export.add_argument("--run", required=True, type=Path, dest="folder", help="the --out of a fit")
    export.add_argument("--out", required=True, type=Path, help="folder of the package")
    export.add_argument("--name", default="lungs")
    export.add_argument("--version", required=True)
    export.add_argument("--variant", default="fp16", choices=("float32", "fp16", "int8"), help="how weights are stored")
    export.add_argument("--licence", help="of the weights, beside the terms of the public sources")
    export.add_argument("--manufacturer", default="Hilum")
    export.add_argument("--check", type=Path, help="folder for what check_onnx.mjs compares, see `train export`")
    export.add_argument("--replace", action="store_true", help="over the package that is in --out")
    _add_judging(export)
    export.set_defaults(run=_export)


def _add_fit(p: ArgumentParser) -> None:
    p.add_argument("--out", required=True, help="folder of the run: last.pt, log.jsonl, tensorboard/")
    p.add_argument("--data", default="kermany:data/kermany-train", metavar="KIND:PATH", help="outlined images")
    p.add_argument("--masks", type=Path, default=Path("data/kermany-lungmask"), help="folder of masks.csv and masks/")
    p.add_argument("--boxed", default="siim:data/siim", metavar="KIND:PATH", help="images with the box of both lungs")
    p.add_argument("--split", action="append", type=Path, metavar="CSV", help="of both; without it, the project's")
    p.add_argument("--cache", type=Path, default=Path("data/cache"), help="folder of decoded images")
    p.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128, 128], help="channels of each level")
    p.add_argument("--steps", type=int, default=500, help="length of the run and of its schedule")
    p.add_argument("--batch", type=int, default=16, help="half of it outlined, half boxed")
    p.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of AdamW")
    p.add_argument("--decay", type=float, default=0.01)
    p.add_argument("--augment", choices=("none", "standard", "strong"), default="standard")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--precision", choices=("auto", "float32", "bf16", "fp16"), default="auto")
    p.add_argument("--validate-every", type=int, default=250, metavar="STEPS", help="and keep what there is")
    p.add_argument("--log-every", type=int, default=20, metavar="STEPS")
    p.set_defaults(run=_fit)


def _add_judging(p: ArgumentParser) -> None:
    p.add_argument("--part", default="test", choices=("train", "validation", "test"), help="the part that is judged")
    p.add_argument("--data", metavar="KIND:PATH", help="instead of the outlined images of the run")
    p.add_argument("--masks", type=Path, help="instead of the masks of the run")
    p.add_argument("--boxed", metavar="KIND:PATH", help="instead of the boxed images of the run")
    p.add_argument("--split", action="append", type=Path, metavar="CSV", help="instead of the split of the run")
    p.add_argument("--cache", type=Path, default=Path("data/cache"), help="folder of decoded images")
    p.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)


def _fit(a: Namespace) -> None:
    """@raises TrainingError; exits with 128 + signal if it was stopped by one"""
    from ..loop.signals import Interruption
    from ..lungs.fit import fit

    a.split = a.split or SPLITS
    stopped = Interruption()
    if fit(a, stopped) is None:
        raise SystemExit(stopped.exit_code)


def _judge(a: Namespace) -> None:
    from ..lungs.judge import judge_run

    judge_run(a)


def _export(a: Namespace) -> None:
    from ..lungs.export import export

    export(a)
