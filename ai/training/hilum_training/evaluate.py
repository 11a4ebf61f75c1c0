"""Run a network over held-out patients and say how good it is."""
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .legacy_data import ImageSet, load_kermany, load_siim, split
from .errors import TrainingError
from .legacy_judge import Answers, judge, summary
from .metrics import Found, suppress
from .networks.detector import Detector, Reader, decode

# Two true boxes seldom share more than this, and two reported ones would look like one; the manifest carries it too.
NMS_IOU = 0.5


def answers(
    run: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]], images: ImageSet, batch: int = 16, bf16: bool = False
) -> Answers:
    """`run` gives logit, boxes, scores, as the exported model does. Returns logits [n] and the boxes of each image."""
    logits, found = [], []
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        for start in range(0, len(images.items), batch):
            x = torch.from_numpy(images.images[start:start + batch]).unsqueeze(1).float() / 255
            x = x.contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
            logit, boxes, scores = run(x)
            logits.append(logit[:, 0].float().numpy())
            for i, item in enumerate(images.items[start:start + batch]):
                b, s = boxes[i].float().numpy(), scores[i].float().numpy()
                kept = suppress(b, s, NMS_IOU)
                found.append(Found(b[kept], s[kept], item.boxes))
    return np.concatenate(logits), found


def quick(network: Detector, sets: list[ImageSet]) -> dict[str, dict[str, float]]:
    """What a training run logs now and then: no flip averaging, bfloat16."""
    network.eval()

    def run(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logit, heat, distances = network(x)
        return (logit, *decode(heat.sigmoid(), distances))

    return {s.name: summary(s, answers(run, s, bf16=True)) for s in sets}


def load(checkpoint: Path) -> Reader:
    """The averaged weights of a run, ready to be asked. @raises TrainingError if the file is no checkpoint."""
    if not checkpoint.exists():
        raise TrainingError(f"no checkpoint at {checkpoint}: train first")
    kept = torch.load(checkpoint, map_location="cpu")
    if "average" not in kept:
        raise TrainingError(f"{checkpoint} holds no trained network")
    detector = Detector(kept["backbone"])
    detector.load_state_dict(kept["average"])
    return Reader(detector).eval()


def held_out_sets(data: Path) -> list[ImageSet]:
    """The patients no run is trained on: SIIM, Kermany."""
    return [split(images)[1] for images in (load_siim(data), load_kermany(data))]


def evaluate(a: Namespace) -> None:
    """Print the figures of a checkpoint on the held-out patients as one JSON object."""
    torch.set_num_threads(a.threads)
    reader, sets = load(Path(a.checkpoint)), held_out_sets(Path(a.data))
    reader.to(memory_format=torch.channels_last)
    report, _ = judge(sets, [answers(reader, s) for s in sets])
    print(json.dumps(report, indent=2))
