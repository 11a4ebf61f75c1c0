"""`train cross-validate`: the same training on every fold but one, judged on that one; patients never in two."""
from argparse import Namespace, _SubParsersAction

from ..loop.options import add_run_options


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser(
        "cross-validate", help="train once a fold of everything outside the test part, and tell mean and interval"
    )
    p.add_argument("--folds", type=int, default=5, metavar="K")
    p.add_argument("--out", required=True, help="folder: cross-validation.json, and a run for each fold")
    p.add_argument("--split", action="append", required=True, metavar="FILE", help="its test part is left alone")
    add_run_options(p)
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """Finished folds are not trained again. @raises TrainingError; exits with 128 + signal if stopped by one"""
    from ..loop.cross_validation import cross_validate
    from ..loop.signals import Interruption

    stopped = Interruption()
    if cross_validate(a, stopped) is None:
        raise SystemExit(stopped.exit_code)
