"""What `judge`, `export` and `compare` are told alike."""

from argparse import ArgumentParser
from pathlib import Path


def add_judging(p: ArgumentParser) -> None:
    p.add_argument(
        "--part",
        default="test",
        choices=("train", "validation", "test"),
        help="the part that is judged; what is fitted is fitted on validation",
    )
    p.add_argument("--checkpoint", default="best", choices=("best", "last"))
    p.add_argument("--flip", action="store_true", help="average over the image and its mirror image")
    p.add_argument("--data", action="append", metavar="KIND:PATH", help="instead of the data of the run")
    p.add_argument("--split", action="append", type=Path, metavar="CSV", help="instead of the split of the run")
    p.add_argument("--cache", type=Path, help="folder of decoded images; without it, that of the run")
    p.add_argument(
        "--choose", default="sensitivity", choices=("sensitivity", "youden"), help="how the operating point is chosen"
    )
    p.add_argument("--sensitivity", type=float, default=0.95, help="wanted on validation")
    p.add_argument(
        "--false-regions", type=float, default=0.75, help="false regions an image to be borne, for the score of boxes"
    )
    p.add_argument("--draws", type=int, default=1000, help="of the bootstrap")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
