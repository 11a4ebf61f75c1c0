"""MODEL_CARD.md of a model of the lungs."""
from dataclasses import dataclass
from typing import Any

from ..networks.lungs import SIZE
from .manifest import INTENDED_USE

STORED = {
    "fp16": "float16, computed with in float32",
    "float32": "float32",
    "int8": "8-bit integers, computed with in float32",
}


@dataclass(frozen=True)
class Facts:
    """`difference` is that of logits, ONNX Runtime against PyTorch, on `checked` images."""

    name: str
    version: str
    licence: str
    config: dict[str, Any]
    progress: dict[str, Any]
    parameters: int
    variant: str
    bytes: int
    difference: float
    checked: int
    median_ms: float
    fastest_ms: float
    command: str


def _figure(figure: dict[str, Any]) -> str:
    between = f" ({figure['low']:.3f} to {figure['high']:.3f})" if figure["low"] is not None else ""
    return f"{figure['value']:.3f}{between}"


def _refused(record: dict[str, Any]) -> str:
    told = "; ".join(f"{why}: {count}" for why, count in record["refused"].items())
    return f"{record['accepted']:.1%}" + (f" ({told})" if told else "")


def _rows(record: dict[str, Any]) -> list[str]:
    outlined, boxed = record["outlined"], record["boxed"]
    rows = [
        ("outlined lungs, images (patients)", f"{outlined['images']} ({outlined['patients']})"),
        ("dice, mean of both lungs", _figure(outlined["all"]["mean"])),
        ("dice, right lung", _figure(outlined["right"]["mean"])),
        ("dice, left lung", _figure(outlined["left"]["mean"])),
        ("dice, 5th percentile of the images", _figure(outlined["all"]["p5"])),
        *(
            (f"dice, {name} ({outlined[name]['images']} images)", _figure(outlined[name]["mean"]))
            for name in ("normal", "pneumonia")
            if name in outlined
        ),
        ("images with right and left exchanged", str(outlined["exchanged"])),
        ("accepted by the gateway's check", _refused(outlined)),
        ("boxed lungs, images (patients)", f"{boxed['images']} ({boxed['patients']})"),
        ("IoU of the boxes around both lungs, mean", _figure(boxed["boxOverlap"]["mean"])),
        ("the same, 5th percentile", _figure(boxed["boxOverlap"]["p5"])),
        ("accepted by the gateway's check", _refused(boxed)),
    ]
    if "opacities" in boxed:
        opacities = boxed["opacities"]
        rows += [
            (
                f"share of an opacity's box that is lung, mean of {opacities['regions']}",
                _figure(opacities["within"]["mean"]),
            ),
            ("the same, 5th percentile", _figure(opacities["within"]["p5"])),
            ("opacities too far outside of the lungs to be measured", f"{opacities['tooFarOut']:.1%}"),
        ]
    heading = ["| on patients never trained on, 95 % by bootstrap over patients | |", "| --- | --- |"]
    return heading + [f"| {what} | {figure} |" for what, figure in rows]


def card(facts: Facts, record: dict[str, Any]) -> str:
    """The file's text."""
    options, trained = facts.config["options"], facts.progress
    stored = STORED[facts.variant]
    splits = ", ".join(entry["file"] for entry in facts.config["split"])
    return f"""# {facts.name} {facts.version}

{INTENDED_USE}

## What it is

A U-Net of {facts.parameters:,} parameters. Input: the whole radiograph as displayed (lungs dark), stretched to
{SIZE} x {SIZE}, 0 to 1; normalised inside of the network. Output: a map of logits for each lung, the patient's right
one first, which is the one on the left of the image; the side is that of the image as it is read.
{facts.bytes / 1e6:.1f} MB (weights as {stored}); {facts.fastest_ms:g} ms an image at best and {facts.median_ms:g} ms in
the median, one image a run, on two threads of ONNX Runtime.

## Data and licence

{facts.licence}.

Children's lungs were learnt from outlines. Of adults only the box around both lungs was known, and what was learnt from
it is that each lung has to fill its half of this box. Split by patient: {splits}.

## Training

{trained['step']} steps of {options['batch']} images, half outlined, half boxed; {trained['seconds'] / 60:.0f} minutes;
peak rate {options['rate']:g}, seed {options['seed']}, augmentation {options['augment']}. The average of the last
weights was taken.

## Figures

Measured with the file that ships, in ONNX Runtime, on the {record['part']} part.

{chr(10).join(_rows(record))}

    {facts.command}

On {facts.checked} of these images ONNX Runtime and PyTorch differ by at most {facts.difference:.2g} in a logit.

## Limits

- No adult's lungs were outlined: a box says nothing of the border between lung and heart, and figures on adults are
  those of boxes.
- The two collections alone: other hospitals' images, infants, other projections were never seen.
- Where a lung is white the model has to guess its border; the gateway's check refuses what does not look like two
  lungs, but does not see less than a third of a lung missing.
"""
