"""What the gateway makes of drawn lungs: its own check (ai/severity/lung-fields.ts), asked through Node."""
import json
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..errors import TrainingError
from ..export.runtime import HERE, ROOT, node

SCRIPT = HERE.parents[2] / "check_lungs.mjs"
LIMIT_SECONDS = 600


def refusals(logits: np.ndarray) -> list[str | None]:
    """Logits float32 [n, 2, h, w] -> for each image None where severity can be measured by its lungs, else why not.

    @raises TrainingError without Node
    """
    n, _, height, width = logits.shape
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mask.bin"
        logits.astype("<f4").tofile(file)
        command = [node(), str(SCRIPT), str(file), str(width), str(height)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if done.returncode != 0:
        raise TrainingError(f"{SCRIPT.name}: {(done.stderr.strip() or 'failed').splitlines()[0]}")
    told = json.loads(done.stdout)
    if len(told) != n:
        raise TrainingError(f"{SCRIPT.name} answered for {len(told)} of {n} images")
    return told


def reasons(refused: list[str | None]) -> dict[str, int]:
    """How often each, the most frequent first."""
    return dict(Counter(why for why in refused if why).most_common())
