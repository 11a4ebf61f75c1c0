"""The command: `python3 -m hilum_training train | evaluate | export`."""
import sys
from argparse import ArgumentParser

from .errors import TrainingError


def parser() -> ArgumentParser:
    top = ArgumentParser(prog="hilum_training", description="Train, evaluate and export Hilum's chest radiograph models.")
    commands = top.add_subparsers(dest="command", required=True)
    t = commands.add_parser("train", help="train from scratch, or go on with the run in --out")
    t.add_argument("--data", required=True, help="folder that holds siim/, kermany-train/ and perhaps phantom/")
    t.add_argument("--out", required=True, help="folder of the run: last.pt, log.jsonl")
    until = t.add_mutually_exclusive_group(required=True)
    until.add_argument("--epochs", type=int, help="length of the run, and of the one-cycle schedule, in epochs")
    until.add_argument("--minutes", type=float, help="the same by the clock, where the machine's speed is not known")
    t.add_argument("--backbone", default="resnet18")
    t.add_argument("--batch", type=int, default=32)
    t.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate of AdamW")
    t.add_argument("--kermany", type=int, default=1300, help="images of Kermany an epoch; the set is easy and large")
    t.add_argument("--phantoms", type=int, default=250, help="phantoms an epoch, where there are any")
    t.add_argument("--evaluate-every", type=int, default=2, help="epochs")
    t.add_argument("--seed", type=int, default=1)
    t.add_argument("--threads", type=int, default=2)
    t.add_argument("--float32", action="store_true", help="no bfloat16: slower where the CPU has it")

    e = commands.add_parser("evaluate", help="figures of a checkpoint on the held-out patients")
    x = commands.add_parser("export", help="write model.onnx and manifest.yaml")
    for command in (e, x):
        command.add_argument("--data", required=True)
        command.add_argument("--checkpoint", required=True, help="last.pt of a run")
        command.add_argument("--threads", type=int, default=2)
    x.add_argument("--out", required=True, help="folder of the model package")
    x.add_argument("--version", required=True)
    x.add_argument("--check", help="folder for the input and output that check_onnx.mjs compares")
    return top


def main() -> int:
    a = parser().parse_args()
    try:
        if a.command == "train":
            from .train import train

            train(a)
        elif a.command == "evaluate":
            from .evaluate import evaluate

            evaluate(a)
        else:
            from .export import export

            export(a)
    except TrainingError as reason:
        print(f"hilum_training: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
