"""`train split`: draws, once, which patients are trained on, tuned on, judged on."""

from argparse import Namespace, _SubParsersAction

from ..data.arguments import add_sources


def add(subparsers: _SubParsersAction) -> None:
    p = subparsers.add_parser("split", help="draw train, validation and test by patient, into a file that is then kept")
    add_sources(p)
    p.add_argument("--out", required=True, metavar="FILE", help="CSV of source, patient, part; never written over")
    p.add_argument("--shares", type=float, nargs=3, default=[0.8, 0.1, 0.1], metavar=("TRAIN", "VALIDATION", "TEST"))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="FILE",
        help="split whose patients stay where they are; again for more",
    )
    p.add_argument("--size", type=int, default=256, help="side of the images that are sought for duplicates, in pixels")
    p.set_defaults(run=run)


def run(a: Namespace) -> None:
    """Patients who share a picture, or nearly one, are drawn as one person.

    @raises TrainingError if the file exists, a part would lack a class, or --keep has one picture in two parts
    """
    from pathlib import Path

    from ..data.duplicates import refuse_leaks, same_people
    from ..data.samples import load_images
    from ..data.sources import read_sources
    from ..data.splits import make_split, parts, patient_of, read_split, write_split
    from ..errors import TrainingError

    out = Path(a.out)
    if out.exists():
        raise TrainingError(f"{out} exists: a split is drawn once; remove it if no model was trained with it")
    samples = read_sources(a.data)
    kept = read_split(*map(Path, a.keep)) if a.keep else {}
    images = load_images(samples, a.size, Path(a.cache))
    split = make_split(samples, a.seed, tuple(a.shares), kept, same_people(images))
    refuse_leaks(images, split)
    write_split(out, split)
    for part, found in parts(samples, split).items():
        patients = len({patient_of(sample) for sample in found})
        labels = ", ".join(
            f"{label} {sum(s.label == label for s in found)}" for label in sorted({s.label for s in found})
        )
        print(f"{part}: {patients} patients, {len(found)} images: {labels or 'none'}")
