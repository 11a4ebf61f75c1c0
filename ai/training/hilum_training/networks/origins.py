"""Where a run's weights come from: what it began from and who taught it. Their terms, and the patients that they were
trained on, are the run's own from then on."""
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from ..data.splits import Split, read_split
from ..errors import TrainingError
from .build import read_checkpoint
from .weights import is_package

# What a checkpoint's configuration keeps of a file: `role` and `file`; of a package `name` and `licence`; of a run
# `data`, `split` and its own `origins`. Torchvision's weights tell nothing.
Origin = dict[str, Any]


def origin(role: str, file: Path) -> Origin:
    """As far as the file, or the manifest beside it, tells. @raises TrainingError if it cannot be read"""
    told: Origin = {"role": role, "file": str(file)}
    if is_package(file):
        manifest = file.with_name("manifest.yaml")
        if not manifest.is_file():
            return told
        try:
            known = yaml.safe_load(manifest.read_text())
            return told | {"name": f"{known['name']} {known['version']}", "licence": known["licence"]}
        except (OSError, yaml.YAMLError, KeyError, TypeError) as reason:
            raise TrainingError(f"{manifest} is no manifest of a package: {str(reason).splitlines()[0]}") from reason
    config = read_checkpoint(file).get("config")
    if not isinstance(config, dict) or "split" not in config:
        return told
    return told | {key: config.get(key, []) for key in ("data", "split", "origins")}


def all_origins(config: dict[str, Any]) -> Iterator[Origin]:
    """Those of a run, and those of theirs."""
    for one in config.get("origins", []):
        yield one
        yield from all_origins(one)


def split_files(config: dict[str, Any], who: str) -> list[Path]:
    """The split that a run was trained by. @raises TrainingError if a file of it is not what it was then"""
    files = [Path(entry["file"]) for entry in config["split"]]
    for file, entry in zip(files, config["split"]):
        if not file.is_file():
            raise TrainingError(f"no split {file}, by which {who} was trained: run from the same folder")
        if sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
            raise TrainingError(f"{file} is not the split any more by which {who} was trained")
    return files


def refuse_trained(split: Split, config: dict[str, Any], who: str) -> None:
    """What `split` keeps from training must have been kept from that of `config` and of all that it came from too. Of a
    package it is not known.

    @raises TrainingError naming the first patient
    """
    known = read_split(*split_files(config, who)) if "split" in config else {}
    trained = {patient for patient, part in known.items() if part == "train"}
    leaked = sorted(patient for patient in trained if split.get(patient, "train") != "train")
    if leaked:
        source, patient = leaked[0]
        raise TrainingError(
            f"leaked patient: {who} was trained on {len(leaked)} that would be judged, first {patient} of {source}"
        )
    for one in config.get("origins", []):
        refuse_trained(split, one, one["file"])


def in_words(one: Origin) -> str:
    """`began from opacity 0.3.0 (ai/models/opacity/model.onnx)`, for the card."""
    what = one.get("name", one["file"])
    place = f" ({one['file']})" if "name" in one else ""
    known = "" if "split" in one else "; the file does not tell which patients that was trained on"
    return f"{one['role']} {what}{place}{known}"
