"""The arguments that `fit` and `cross-validate` share: what to train, on what, how, and for how long."""
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from ..data.arguments import add_sources

TASKS = ("pneumonia", "type", "detection")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _from(least: float, kind: type = int):
    def parse(text: str):
        value = kind(text)
        if not value >= least:
            raise ArgumentTypeError(f"{text} is less than {least}")
        return value

    parse.__name__ = kind.__name__  # argparse names it in "invalid int value"
    return parse


def _freeze(text: str) -> float:
    return float("inf") if text == "always" else _from(0)(text)


def _per_epoch(text: str) -> tuple[str, int]:
    source, _, count = text.partition("=")
    if not source or not count.isdigit() or int(count) < 1:
        raise ArgumentTypeError(f"{text} is not SOURCE=COUNT, such as kermany=1300")
    return source, int(count)


def add_run_options(p: ArgumentParser) -> None:
    """Everything but --out and the split, which the two commands use differently."""
    what = p.add_argument_group("what")
    what.add_argument("--arch", required=True, help="see `train summary`; detector for detection")
    what.add_argument(
        "--task",
        required=True,
        choices=TASKS,
        help="pneumonia: normal or pneumonia; type: normal, bacterial or viral; detection: boxes and an image label",
    )
    what.add_argument("--backbone", default="resnet18", help="of the detector")
    what.add_argument(
        "--hidden",
        type=_from(1),
        nargs="*",
        help="units of the dense layers on top; without it, those usual for the architecture",
    )
    what.add_argument("--dropout", type=_share, default=0.2)
    what.add_argument("--size", type=_from(32), default=256, help="side of the image in pixels")
    what.add_argument(
        "--weights",
        help="start from a file's weights (a run's best.pt, a package's model.onnx, torchvision's), whatever fits by "
        "name and shape; `default` downloads torchvision's",
    )
    what.add_argument(
        "--freeze-backbone",
        type=_freeze,
        default=0,
        metavar="EPOCHS",
        help="keep the backbone as it is for so many epochs, or `always`",
    )
    what.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="FILE",
        help="learn also what this run's best.pt answers; of several, the mean",
    )
    what.add_argument("--distil-weight", type=_share, default=0.5, help="the share of the target that is the teachers'")

    data = p.add_argument_group("data")
    add_sources(data)
    data.add_argument(
        "--balance",
        choices=("loss", "draw", "none"),
        default="loss",
        help="classes of each source count the same in the loss, or are shown equally often, or neither",
    )
    data.add_argument("--per-epoch", action="append", type=_per_epoch, default=[], metavar="SOURCE=COUNT",
                      help="show so many images of a source an epoch, as many of each class")

    how = p.add_argument_group("how")
    until = how.add_mutually_exclusive_group(required=True)
    until.add_argument("--epochs", type=_from(1), help="length of the run and of its schedule")
    until.add_argument("--minutes", type=_from(0.01, float), help="the same by the clock")
    how.add_argument("--batch", type=_from(2), default=32)
    how.add_argument("--optimiser", choices=("adamw", "adam", "sgd", "rmsprop"), default="adamw")
    how.add_argument(
        "--rate", type=_from(1e-9, float), help="peak learning rate; without it, one usual for the optimiser"
    )
    how.add_argument(
        "--backbone-rate",
        type=_from(0, float),
        default=1.0,
        metavar="SHARE",
        help="the backbone's share of the rate: 0.1 where it was trained before",
    )
    how.add_argument("--decay", type=_from(0, float), default=0.05, help="weight decay")
    how.add_argument("--schedule", choices=("one-cycle", "cosine", "step", "constant"), default="one-cycle")
    how.add_argument("--loss", choices=("cross-entropy", "focal"), default="cross-entropy", help="of the image label")
    how.add_argument("--focal-gamma", type=_from(0, float), default=2.0)
    how.add_argument("--label-smoothing", type=_share, default=0.0)
    how.add_argument(
        "--mixup",
        type=_from(0, float),
        default=0.0,
        metavar="ALPHA",
        help="blend pairs of images and labels; 0.2 is usual, 0 does not (arXiv 1710.09412)",
    )
    how.add_argument(
        "--ema", type=_share, default=0.998, help="decay of the average of weights; 0 is the last weights alone"
    )
    how.add_argument(
        "--clip", type=_from(0, float), default=8.0, help="largest norm of the gradient; 0 does not bound it"
    )
    how.add_argument(
        "--patience",
        type=_from(0),
        default=0,
        metavar="N",
        help="stop after N validations without a better one; 0 never does",
    )
    how.add_argument(
        "--choose-by",
        choices=("score", "loss"),
        default="score",
        help="what makes a validation the best: its ranking (AUC, AP), ties by loss; or its loss",
    )
    how.add_argument("--validate-every", type=_from(1), default=1, metavar="EPOCHS")
    how.add_argument("--seed", type=_from(0), default=1)

    where = p.add_argument_group("where")
    where.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    where.add_argument("--threads", type=_from(1), default=2)
    where.add_argument(
        "--precision",
        choices=("auto", "float32", "bf16", "fp16"),
        default="auto",
        help="auto: mixed on a GPU, float32 on a CPU",
    )
    where.add_argument(
        "--bf16", dest="precision", action="store_const", const="bf16", help="short for --precision bf16"
    )
    where.add_argument(
        "--save-every", type=_from(1), default=100, metavar="STEPS", help="what a killed run loses at most"
    )
    where.add_argument("--log-every", type=_from(1), default=20, metavar="STEPS")

    change = p.add_argument_group("augmentation", "what may differ between two radiographs with the same diagnosis")
    change.add_argument(
        "--augment",
        choices=("none", "standard", "strong"),
        default="standard",
        help="what the options below start from",
    )
    for name, kind, text in AUGMENTATIONS:
        change.add_argument(f"--{name.replace('_', '-')}", type=kind, dest=f"augment_{name}", metavar="X", help=text)


AUGMENTATIONS = [
    ("flip", _share, "share mirrored left to right"),
    ("upside_down", _share, "share turned over top to bottom"),
    ("shift", _share, "farthest move, as a share of the frame"),
    ("scale", _share, "most that the whole grows or shrinks, as a share"),
    ("stretch", _share, "most that each axis by itself does, as a share"),
    ("rotate", _from(0, float), "largest turn, degrees"),
    ("window", _share, "most of the gray range cut away at the dark or the bright end"),
    ("gamma", _from(0, float), "largest natural logarithm of the exponent"),
    ("contrast", _share, "strength of an S-shaped display curve or of its inverse"),
    ("invert", _share, "share with black and white exchanged"),
    ("soft", _share, "share that loses resolution"),
    ("blur", _share, "share blurred"),
    ("jpeg", _share, "share with the losses of JPEG"),
    ("noise", _from(0, float), "largest standard deviation of the noise that four in ten get, white being 1"),
    ("collimate", _share, "share with black or white borders"),
]


def augmentation_options(a: Namespace) -> dict[str, float]:
    """Those that were given, by the names of augment.Augmentation."""
    return {name: value for name, _, _ in AUGMENTATIONS if (value := getattr(a, f"augment_{name}")) is not None}
