"""manifest.yaml of a model of the lungs (docs/model-packages.md). Written line by line; values are JSON."""
import json
from typing import Any

from ..export.manifest import MAX_BATCH, MODALITIES, inline
from ..networks.lungs import SIZE

INTENDED_USE = (
    "Research use only, not a medical device: shows where the lungs are on frontal chest radiographs, so that the "
    "share of them that is opaque can be told to a radiologist who reads every image. Finds nothing by itself."
)
VALUES = "range: [0, 1], mean: [0], std: [1]"


def manifest(
    name: str, version: str, digest: str, licence: str, manufacturer: str, device_uid: str, figures: dict[str, Any]
) -> str:
    """The file's text. `digest`: sha256 of model.onnx. `figures`: free, one line each."""
    lines = [
        "# What the gateway must know to run this model. Written by `train lungs export`; see MODEL_CARD.md.",
        f"name: {name}",
        f"version: {json.dumps(version)}",
        f"sha256: {digest}",
        f"licence: {json.dumps(licence, ensure_ascii=False)}",
        f"intendedUse: {json.dumps(INTENDED_USE)}",
        f"deviceUid: {device_uid}",
        f"manufacturer: {json.dumps(manufacturer, ensure_ascii=False)}",
        "purpose: lungs",
        f"input: {{ tensor: image, width: {SIZE}, height: {SIZE}, channels: 1, {VALUES}, fit: stretch }}",
        "task: segmentation",
        "outputs:",
        "  mask: { tensor: mask, activation: sigmoid, threshold: 0.5 }   # the patient's right lung, then the left",
        f"applicability: {inline({'modalities': MODALITIES, 'views': ['PA', 'AP', '']})}",
        f"maxBatch: {MAX_BATCH}",
        "figures:",
        *(f"  {json.dumps(key)}: {inline(value)}" for key, value in figures.items()),
    ]
    return "\n".join(lines) + "\n"
