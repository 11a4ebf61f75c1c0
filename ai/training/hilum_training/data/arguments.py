"""What every command that reads radiographs is told alike: where they are, and where they are kept decoded."""

from argparse import ArgumentParser, _ArgumentGroup


def add_sources(p: ArgumentParser | _ArgumentGroup) -> None:
    p.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="KIND:PATH",
        help="kermany:DIR, siim:DIR, rsna:DIR, csv:FILE or phantom:DIR; again for more",
    )
    p.add_argument("--cache", default="data/cache", metavar="DIR", help="folder of decoded images")
