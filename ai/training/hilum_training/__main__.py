"""The command: `train SUB …`, or `python3 -m hilum_training SUB …`. Every module of `commands` is a sub-command."""
import sys
from argparse import ArgumentParser
from importlib import import_module
from pkgutil import iter_modules

from . import commands
from .errors import TrainingError
from .memory import keep_freed


def parser() -> ArgumentParser:
    top = ArgumentParser(
        prog="train", description="Data in, trained, judged, packaged: Hilum's chest radiograph models."
    )
    subparsers = top.add_subparsers(dest="command", required=True, metavar="SUB")
    for module in iter_modules(commands.__path__):
        import_module(f"{commands.__name__}.{module.name}").add(subparsers)
    return top


def main() -> int:
    """0; 1 with one line on stderr for what the user can mend; 2 for arguments that cannot be read; 130 on Ctrl-C."""
    a = parser().parse_args()
    keep_freed()
    try:
        a.run(a)
    except TrainingError as reason:
        print(f"train: {reason}", file=sys.stderr)
        return 1
    except OSError as reason:
        if reason.filename is None:
            raise
        print(f"train: cannot use {reason.filename}: {reason.strerror}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as reason:
        if (reason.name or "").startswith(__package__):
            raise
        print(f"train: {sys.executable} has no module '{reason.name}': see ai/training/README.md", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
