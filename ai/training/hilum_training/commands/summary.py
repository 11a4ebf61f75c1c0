"""`train summary`: the layers of a network, its parameters, and its multiply-adds at a size."""
import json
from argparse import Namespace, _SubParsersAction


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("summary", help="layers, parameters and multiply-adds of an architecture")
    p.add_argument("--arch", help="without it, one line for each architecture")
    p.add_argument("--task", default="pneumonia", help="pneumonia, type or detection")
    p.add_argument(
        "--size", type=int, nargs="+", default=[256], help="side of the image in pixels; several are compared"
    )
    p.add_argument(
        "--hidden", type=int, nargs="*", help="units of the dense layers; without it, those usual for the network"
    )
    p.add_argument("--json", action="store_true", help="for machines: one object")
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """Print it. @raises TrainingError if there is no such network, or it takes no image of that size."""
    from ..networks.backbones import ARCHITECTURES
    from ..networks.build import build
    from ..networks.classifier import DROPOUT, architecture
    from ..networks.summary import layers, table, totals

    def described(arch: str, task: str, size: int) -> tuple[list, dict[str, int]]:
        hidden = a.hidden
        if hidden is None:
            hidden = [] if arch == "detector" else architecture(arch).hidden
        network = build({"arch": arch, "task": task, "size": size, "hidden": hidden, "dropout": DROPOUT})
        told = layers(network, size)
        return told, totals(network, told)

    names = [a.arch] if a.arch else ["detector"] if a.task == "detection" else list(ARCHITECTURES)
    everything = {name: {size: described(name, a.task, size) for size in a.size} for name in names}
    if a.json:
        def record(told: list, sums: dict[str, int]) -> dict:
            return sums | ({"layers": [vars(one) for one in told]} if a.arch else {})

        print(json.dumps({name: {s: record(*d) for s, d in at.items()} for name, at in everything.items()}, indent=2))
        return
    for name, at in everything.items():
        for size, (told, sums) in at.items():
            if a.arch:
                print(table(told) + "\n")
            print(
                f"{name} at {size} x {size}: {sums['parameters']:,} parameters ({sums['backbone']:,} in the backbone), "
                f"{sums['operations'] / 1e9:.2f} billion multiply-adds"
            )
