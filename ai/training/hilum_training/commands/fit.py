"""`train fit`: train a network, or go on with a run that was stopped."""
from argparse import Namespace, _SubParsersAction

from ..loop.options import add_run_options


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("fit", help="train, or go on with the run in --out")
    p.add_argument(
        "--out", required=True, help="folder of the run: last.pt, best.pt, log.jsonl, curves.png, tensorboard/"
    )
    p.add_argument(
        "--split",
        action="append",
        required=True,
        metavar="FILE",
        help="which patient is in which part; see `train split`",
    )
    add_run_options(p)
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """@raises TrainingError; exits with 128 + signal if it was stopped by one"""
    from ..loop.setup import fit
    from ..loop.signals import Interruption

    stopped = Interruption()
    if fit(a, stopped) is None:
        raise SystemExit(stopped.exit_code)
