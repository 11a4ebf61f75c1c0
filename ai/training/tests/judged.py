"""Runs to judge and export, trained once for all tests, and the arguments of the commands."""

from argparse import ArgumentParser, Namespace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tiny import arguments, radiographs

from hilum_training.commands import compare, export, judge
from hilum_training.loop.setup import fit

# Lives as long as the process: a folder of pytest's would belong to one module.
_KEPT = TemporaryDirectory()
DATA = Path(_KEPT.name) / "data"


@lru_cache
def data() -> tuple[Path, Path]:
    return radiographs(DATA, count=96)


@lru_cache
def trained(task: str, seed: int = 1) -> Path:
    """The --out of a run of a few steps."""
    out = Path(_KEPT.name) / f"{task}-{seed}"
    fit(arguments(data(), out, "--seed", str(seed), "--epochs", "1" if task == "detection" else "4", task=task))
    return out


def command(name: str, *given: str) -> Namespace:
    """What the command line would give; `given` comes last."""
    parser = ArgumentParser()
    subparsers = parser.add_subparsers()
    for module in (judge, export, compare):
        module.add(subparsers)
    usual = [] if name == "compare" else ["--cache", str(DATA / "cache"), "--threads", "1", "--draws", "100"]
    return parser.parse_args([name, *usual, *given])
