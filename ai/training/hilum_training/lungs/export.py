"""The package of a model of the lungs: the graph, what it answers in the gateway's own runtime, manifest and card."""
import hashlib
import shlex
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ..errors import TrainingError
from ..export import runtime
from ..export.facts import SOURCES
from ..export.graph import to_onnx
from ..export.manifest import device_uid
from ..export.variants import shrink
from ..kept import write_all
from ..networks.lungs import SIZE
from .card import Facts, card
from .judge import Judged, asking, headline, judge, load_lungs, where
from .material import load_parts, shown
from .manifest import manifest

FILES = ("model.onnx", "manifest.yaml", "MODEL_CARD.md")
# Real images that PyTorch and ONNX Runtime are both asked about, half of them outlined, half boxed.
CHECKED = 32
MASKS = "v7labs' masks of Kermany's radiographs, CC BY 4.0"


@dataclass
class Ran:
    judged: Judged
    plain: runtime.Ran
    shipped: runtime.Ran
    content: bytes


def _licence(data: list[str], given: str | None) -> str:
    """@raises TrainingError where the terms of a source are not known and none are given"""
    if given:
        return given
    names = [spec.partition(":")[0] for spec in data]
    unknown = sorted(set(names) - SOURCES.keys())
    if unknown:
        said = "say with --licence what the weights may be used for"
        raise TrainingError(f"the terms of {', '.join(unknown)} are not known here: {said}")
    free = all(SOURCES[name].free for name in names)
    trained_on = "; ".join([*(f"{SOURCES[name].title}, {SOURCES[name].terms}" for name in names), MASKS])
    return f"{'CC-BY-4.0' if free else 'CC-BY-NC-4.0'} (trained on {trained_on})"


def _run(network, lungs, a: Namespace) -> Ran:
    """@raises TrainingError if ONNX Runtime and PyTorch differ"""
    images = [shown(lungs.outlined.images.images), shown(lungs.boxed.images)]
    some = [np.linspace(0, len(each) - 1, min(len(each), CHECKED // 2)).astype(int) for each in images]
    checked = np.concatenate([each[at] for each, at in zip(images, some)])
    expected = {"mask": asking(network)(checked)}
    model = to_onnx(network, SIZE)
    with TemporaryDirectory() as folder:
        plain_file, file = Path(folder) / "float32.onnx", Path(folder) / "model.onnx"
        plain_file.write_bytes(model.SerializeToString())
        plain = runtime.ask(plain_file, checked, expected)
        file.write_bytes(shrink(model, a.variant).SerializeToString())
        shipped = runtime.ask(file, checked, timed=runtime.TIMED)
        judged = judge(lungs, lambda of: runtime.ask(file, of).tensors["mask"], a)
        content = file.read_bytes()
    if a.check:
        runtime.write_check(a.check, checked, expected, answers=False, timed=runtime.TIMED)
    return Ran(judged, plain, shipped, content)


def _figures(ran: Ran, a: Namespace) -> dict[str, Any]:
    """What the manifest keeps: values with their intervals."""
    def three(figure: dict[str, Any]) -> list[Any]:
        return [figure["value"], figure["low"], figure["high"]]

    outlined, boxed = ran.judged.record["outlined"], ran.judged.record["boxed"]
    kept: dict[str, Any] = {
        f"{a.part} outlined": {
            "images": outlined["images"],
            "patients": outlined["patients"],
            "dice": three(outlined["all"]["mean"]),
            "diceP5": three(outlined["all"]["p5"]),
            "exchanged": outlined["exchanged"],
            "accepted": round(outlined["accepted"], 4),
        },
        f"{a.part} boxed": {
            "images": boxed["images"],
            "patients": boxed["patients"],
            "boxOverlap": three(boxed["boxOverlap"]["mean"]),
            "accepted": round(boxed["accepted"], 4),
        },
    }
    if "opacities" in boxed:
        kept[f"{a.part} boxed"]["opacitiesWithin"] = three(boxed["opacities"]["within"]["mean"])
    difference = float(f"{ran.plain.difference['mask']:.2g}")
    timing = {"medianMs": ran.shipped.median_ms, "fastestMs": ran.shipped.fastest_ms}
    kept["onnx"] = {"variant": a.variant, "largestDifference": difference, **timing}
    return kept


def export(a: Namespace) -> None:
    """Write the package. @raises TrainingError for what stands against it; nothing is written then"""
    there = [name for name in FILES if (a.out / name).exists()]
    if there and not a.replace:
        raise TrainingError(f"{a.out} holds {', '.join(there)} already: give another --out, or --replace")
    torch.set_num_threads(a.threads)
    network, kept = load_lungs(a.folder)
    terms = _licence([a.data or kept["config"]["data"][0], a.boxed or kept["config"]["data"][1]], a.licence)
    lungs = load_parts(where(a, kept["config"]), (a.part,))[a.part]
    ran = _run(network, lungs, a)
    digest = hashlib.sha256(ran.content).hexdigest()
    text = manifest(a.name, a.version, digest, terms, a.manufacturer, device_uid(a.name, a.version), _figures(ran, a))
    facts = Facts(
        name=a.name,
        version=a.version,
        licence=terms,
        config=kept["config"],
        progress=kept["progress"],
        parameters=sum(p.numel() for p in network.parameters()),
        variant=a.variant,
        bytes=len(ran.content),
        difference=ran.plain.difference["mask"],
        checked=CHECKED,
        median_ms=ran.shipped.median_ms,
        fastest_ms=ran.shipped.fastest_ms,
        command=f"ai/training/train {shlex.join(sys.argv[1:])}",
    )
    told = card(facts, ran.judged.record)
    write_all(a.out, {"model.onnx": ran.content, "MODEL_CARD.md": told.encode(), "manifest.yaml": text.encode()})
    print(headline(ran.judged.record))
    print(f"ONNX against PyTorch on {CHECKED} images: logits differ by {ran.plain.difference['mask']:.2g} at most")
    print(f"{a.out}: {len(ran.content) / 1e6:.1f} MB, {ran.shipped.median_ms:g} ms an image on two threads (median)")
