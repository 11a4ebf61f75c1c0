"""The gateway's own ONNX Runtime, asked through Node (check_onnx.mjs): the answers of a file, and how long it takes."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..errors import TrainingError

HERE = Path(__file__).resolve()
SCRIPT = HERE.parents[2] / "check_onnx.mjs"
ROOT = HERE.parents[4]
BATCH = 8
# Images timed, each by itself: enough for a median that a hiccup of the machine does not move.
TIMED = 30
# The largest set here takes a few minutes.
LIMIT_SECONDS = 3600
# A difference that is float arithmetic in another order; a real fault moves a logit by far more.
TOLERANCE = {"logit": 0.01, "cam": 0.05, "mask": 0.05, "boxes": 0.5, "scores": 0.01}
# Boxes below it are never reported. A network that was hardly trained has none above: then half of its images' best.
LEAST_SCORE = 0.1


@dataclass(frozen=True)
class Ran:
    """`tensors` by name, float32; `difference` by name, where something was expected; milliseconds an
    image, NaN where none was timed."""

    tensors: dict[str, np.ndarray]
    difference: dict[str, float]
    boxes: int
    median_ms: float
    fastest_ms: float


def node() -> str:
    """The project's own Node, or the machine's. @raises TrainingError without one"""
    own = ROOT / "node_modules" / ".bin" / "node"
    found = str(own) if own.exists() else shutil.which("node")
    if not found or not (ROOT / "node_modules" / "onnxruntime-node").is_dir():
        raise TrainingError(
            f"no Node with onnxruntime-node in {ROOT}: run `npm ci` there first; ONNX files are run with it"
        )
    return found


def write_check(folder: Path, images: np.ndarray, expected: dict[str, np.ndarray], answers: bool, timed: int) -> None:
    """check.json and the raw files it names. `images` uint8 [n, s, s]; `expected` float32, by output, may be empty."""
    folder.mkdir(parents=True, exist_ok=True)
    n, side, _ = images.shape
    images.tofile(folder / "image.bin")
    named: dict[str, dict] = {}
    for name, value in expected.items():
        value.astype("<f4").tofile(folder / f"{name}.bin")
        named[name] = {"file": f"{name}.bin", "tolerance": TOLERANCE[name]}
    if "boxes" in named:
        usual = float(np.median(expected["scores"].max(1)))
        named["boxes"] |= {"scores": "scores", "leastScore": min(LEAST_SCORE, usual)}
    image = {"file": "image.bin", "type": "uint8", "divide": 255, "shape": [n, 1, side, side]}
    check = {"batch": BATCH, "inputs": {"image": image}, "expected": named, "answers": answers, "timed": timed}
    (folder / "check.json").write_text(json.dumps(check, indent=2) + "\n")


def ask(model: Path, images: np.ndarray, expected: dict[str, np.ndarray] | None = None, timed: int = 0) -> Ran:
    """Run `model` on `images`, `timed` times more on one image each, and, where `expected` is PyTorch's answer to them,
    hold it against that.

    @raises TrainingError if the file does not run, or differs by more than TOLERANCE
    """
    with TemporaryDirectory() as folder:
        write_check(Path(folder), images, expected or {}, answers=True, timed=timed)
        done = subprocess.run(
            [node(), str(SCRIPT), str(model), folder], capture_output=True, text=True, timeout=LIMIT_SECONDS
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or f"exit {done.returncode}").splitlines()
            raise TrainingError(f"{model.name} in ONNX Runtime: {reason[-1] if 'differs' in reason[-1] else reason[0]}")
        told = json.loads(done.stdout.strip().splitlines()[-1])
        tensors = {
            name: np.fromfile(Path(folder) / f"{name}.answer.bin", "<f4").reshape(shape)
            for name, shape in told["shapes"].items()
        }
    return Ran(
        tensors, told["largestDifference"], told.get("boxes", 0), told.get("medianMs", nan), told.get("fastestMs", nan)
    )
