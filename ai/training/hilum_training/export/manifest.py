"""manifest.yaml: what the gateway must know (docs/model-packages.md). Written line by line, so that it reads well;
values are JSON, which is YAML."""

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from ..errors import TrainingError
from ..judge.fitting import Fitted
from ..judge.regions import MOST_REGIONS, NMS_IOU
from .facts import Code

MAX_BATCH = 8
MODALITIES = ("CR", "DX")


@dataclass(frozen=True)
class Label:
    name: str
    positive: bool
    code: Code


@dataclass(frozen=True)
class Identity:
    """`ages` in years, or None where it is meant for all; `known_age`: refuse a patient whose age is not told.

    @raises TrainingError for what the gateway would refuse: the figures that are measured next take minutes
    """

    name: str
    version: str
    licence: str
    intended_use: str
    manufacturer: str
    device_uid: str
    ages: tuple[float, float] | None
    known_age: bool
    views: tuple[str, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", self.name):
            raise TrainingError(f"--name {self.name}: must be letters, digits and hyphens")
        if not 0 < len(self.version) <= 64:
            raise TrainingError(f"--version {self.version}: must be 1 to 64 characters")
        if len(self.device_uid) > 64 or not re.fullmatch(r"[0-2](\.(0|[1-9][0-9]*))+", self.device_uid):
            raise TrainingError(f"--device-uid {self.device_uid}: is no UID")
        if self.ages and not (0 <= self.ages[0] <= self.ages[1] and self.ages[1] > 0):
            raise TrainingError(f"--ages {self.ages[0]:g} {self.ages[1]:g}: must be years, the lower first")


def device_uid(name: str, version: str) -> str:
    """One for each version of a model, and the same whenever it is exported again (UUID-derived, PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:hilum:model:{name}:{version}').int}"


def inline(value: Any) -> str:
    """One line of YAML; keys without quotation marks, as the package's other lines have them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _outputs(task: str, fitted: Fitted) -> list[str]:
    lines = ["  logit: { tensor: logit }"]
    if task == "detection":
        boxes = {"scoreThreshold": fitted.score, "nmsIou": NMS_IOU, "maxRegions": MOST_REGIONS}
        lines.append(f"  boxes: {{ tensor: boxes, format: xyxy, scores: scores, {inline(boxes)[2:-2]} }}")
    elif fitted.rule:
        mask = {
            "threshold": fitted.rule.threshold,
            "relative": True,
            "minArea": fitted.rule.least_area,
            "maxRegions": MOST_REGIONS,
        }
        lines.append(f"  mask: {{ tensor: cam, activation: none, {inline(mask)[2:-2]} }}")
    return lines


def _calibration(fitted: Fitted) -> str:
    c = fitted.calibration
    if c.method == "platt":
        return inline({"method": "platt", "scale": c.scale[0], "offset": c.offset[0]})
    return inline({"method": "vector", "scale": c.scale, "offset": c.offset})


def manifest(
    who: Identity,
    digest: str,
    size: int,
    task: str,
    labels: list[Label],
    fitted: Fitted,
    figures: dict[str, Any],
    reference: dict[str, Any],
) -> str:
    """The file's text. `digest`: sha256 of model.onnx. `figures`: free, one line each. `reference`: for drift."""
    applicability: dict[str, Any] = {"modalities": MODALITIES, "views": who.views}
    if who.ages:
        applicability["ageYears"] = {"min": who.ages[0], "max": who.ages[1]}
    if who.known_age:
        applicability["ageUnknown"] = "refuse"
    lines = [
        "# What the gateway must know to run this model. Written by `train export`; see MODEL_CARD.md.",
        f"name: {who.name}",
        f"version: {json.dumps(who.version)}",
        f"sha256: {digest}",
        f"licence: {json.dumps(who.licence, ensure_ascii=False)}",
        f"intendedUse: {json.dumps(who.intended_use, ensure_ascii=False)}",
        f"deviceUid: {who.device_uid}",
        f"manufacturer: {json.dumps(who.manufacturer, ensure_ascii=False)}",
        "input: "
        f"{{ tensor: image, width: {size}, height: {size}, channels: 1, "
        "range: [0, 1], mean: [0], std: [1], fit: stretch }",
        f"task: {'detection' if task == 'detection' else 'classification'}",
        "outputs:",
        *_outputs(task, fitted),
        "labels:",
        *(f"  - {inline({'name': each.name, 'positive': each.positive, 'code': vars(each.code)})}" for each in labels),
        f"operatingPoint: {inline({'threshold': fitted.point.threshold, 'chosenFor': fitted.point.chosen_for})}",
        f"calibration: {_calibration(fitted)}",
        f"applicability: {inline(applicability)}",
        f"maxBatch: {MAX_BATCH}",
        "figures:",
        *(f"  {json.dumps(name)}: {inline(value)}" for name, value in figures.items()),
        "reference:",
        f"  set: {json.dumps(reference['set'], ensure_ascii=False)}",
        f"  n: {reference['n']}",
        "  histograms:",
        *(f"    {name}: {inline(value)}" for name, value in reference["histograms"].items()),
    ]
    return "\n".join(lines) + "\n"
