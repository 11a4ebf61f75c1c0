"""Files that belong together are written together: each beside its place, then all renamed."""

import os
from pathlib import Path

from .errors import TrainingError


def write_all(folder: Path, contents: dict[str, bytes]) -> None:
    """@raises TrainingError if they cannot be written; what was there before is then still whole"""
    partial = {folder / name: folder / f"{name}.{os.getpid()}.partial" for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for beside, content in zip(partial.values(), contents.values()):
            beside.write_bytes(content)
        for place, beside in partial.items():
            beside.replace(place)
    except OSError as reason:
        for beside in partial.values():
            if beside.exists():
                beside.unlink()
        raise TrainingError(f"cannot write into {folder}: {reason.strerror}") from reason
