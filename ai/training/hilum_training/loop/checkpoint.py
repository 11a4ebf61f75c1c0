"""What a run leaves behind at a step, so that it can go on as if it had never stopped; and what a run is, so that it
cannot go on as another one.

A file holds `config` (what the network is and what it was trained on), `network`, `average` (its moving average: the
one to use), `progress`, and in last.pt also `optimizer` and `scaler`.
"""
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingError
from ..networks.build import read_checkpoint
from .early_stopping import Best

# Options that change how long or where a run computes, not what it computes.
MAY_CHANGE = {"epochs", "minutes", "patience", "threads", "device", "cache", "out", "save_every", "log_every"}


@dataclass
class Progress:
    """Where a run stands. `position` counts the images of this epoch that were shown; `recent` is what the steps since
    the last line of the log said; from `log_bytes` on the log is of steps that were not kept, and is dropped."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    recent: list[dict[str, float]] = field(default_factory=list)
    log_bytes: int = 0
    best: Best = field(default_factory=Best)
    validated: int = -1  # the step of the last validation
    figures: dict[str, float] = field(default_factory=dict)  # and what it said
    finished: bool = False


def save(file: Path, **parts: Any) -> None:
    """Write beside, then rename: a run that is killed here leaves the last good checkpoint."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        torch.save(parts, partial)
        os.replace(partial, file)
    except OSError as reason:
        raise TrainingError(f"cannot write {file}: {reason.strerror}") from reason
    finally:
        partial.unlink(missing_ok=True)


def kept_progress(progress: Progress) -> dict[str, Any]:
    return asdict(progress)


def _differences(then: dict[str, Any], now: dict[str, Any], within: str = "") -> list[str]:
    """Of what both know: an option that came later had no other value before."""
    told: list[str] = []
    for name in sorted(then.keys() & now.keys()):
        before, after = then[name], now[name]
        if name in MAY_CHANGE or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            told += _differences(before, after, f"{within}{name} ") or [f"{within}{name} has other entries"]
        else:
            told.append(f"{within}{name} was {before} and is {after}")
    return told


def read_last(file: Path, config: dict[str, Any]) -> tuple[dict[str, Any], Progress]:
    """The parts of last.pt. @raises TrainingError if it is not that of the run that `config` describes"""
    kept = read_checkpoint(file)
    if not {"config", "network", "average", "optimizer", "progress"} <= kept.keys():
        raise TrainingError(f"{file} is no checkpoint from which `train fit` can go on")
    then = kept["config"]
    changed = _differences(then["options"], config["options"])
    changed += _differences(
        {k: v for k, v in then.items() if k != "options"}, {k: v for k, v in config.items() if k != "options"}
    )
    if changed:
        told = "; ".join(list(dict.fromkeys(changed))[:3])  # some options stand in the network's description, too
        raise TrainingError(
            f"{file.parent} holds another run ({told}): give another --out, or the same options"
        )
    progress = dict(kept["progress"])
    return kept, Progress(**{**progress, "best": Best(**progress["best"])})
