"""A model package out of runs: the graph, what it answers in the gateway's own runtime, and what follows from that."""

import hashlib
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..data.samples import SampleSet
from ..errors import TrainingError
from ..judge import metrics
from ..judge.answers import Answers, from_tensors, run
from ..judge.fitting import Fitted, Options, fit
from ..judge.judgement import judge
from ..judge.record import describe, fitted_record
from ..judge.runs import Runs
from . import runtime
from .card import Checks
from .facts import CODES
from .graph import to_onnx
from .manifest import Label
from .variants import shrink

# Real images that PyTorch and ONNX Runtime are both asked about.
CHECKED = 32


@dataclass
class Made:
    """model.onnx and all that was measured with it."""

    content: bytes
    judgement: dict
    fitted: Fitted
    answers: dict[str, Answers]
    checks: Checks

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def labels(runs: Runs, finding: str) -> list[Label]:
    """A single logit is of `finding` (opacity or pneumonia); several are of the run's own labels."""
    if len(runs.labels) == 1:
        return [Label(finding, True, CODES[finding])]
    return [Label(name, positive, CODES[name]) for name, positive in zip(runs.labels, runs.positive)]


def _spread(images: SampleSet, count: int) -> np.ndarray:
    """Some of the images, over the whole set."""
    return images.images[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))]


def _aucs(answers: Answers, fitted: Fitted) -> dict[str, float]:
    names = sorted(set(answers.sources))
    found = {}
    for name in names:
        part = answers.only(answers.sources == name)
        truth = part.truth()
        found[name] = float(
            metrics.auc(fitted.calibration.probability(part.logits), truth, metrics.ones(len(truth)))[0]
        )
    return found


def make(runs: Runs, sets: dict[str, SampleSet], a: Namespace, chosen: Options) -> Made:
    """Export, check, shrink, ask, judge. `sets`: validation and the judged part.

    @raises TrainingError if ONNX Runtime and PyTorch differ, or the file is larger than --max-mb
    """
    reader, part = runs.reader(a.flip), sets[a.part]
    checked = _spread(part, CHECKED)
    expected = run(reader, checked)
    model = to_onnx(reader, runs.size)
    everything = np.concatenate([images.images for images in sets.values()])
    with TemporaryDirectory() as folder:
        plain_file, file = Path(folder) / "float32.onnx", Path(folder) / "model.onnx"
        plain_file.write_bytes(model.SerializeToString())
        plain = runtime.ask(plain_file, checked, expected)
        file.write_bytes(shrink(model, a.variant).SerializeToString())
        content = file.read_bytes()
        if len(content) > a.max_mb * 1e6:
            raise TrainingError(
                f"model.onnx has {len(content) / 1e6:.1f} MB, more than {a.max_mb:g}: take --variant fp16 or int8, "
                "or --max-mb"
            )
        shipped = runtime.ask(file, everything, timed=runtime.TIMED)
        original = runtime.ask(plain_file, part.images) if a.variant != "float32" else None
    if a.check:
        runtime.write_check(a.check, checked, expected, answers=False, timed=runtime.TIMED)
    answers = _by_set(shipped.tensors, sets)
    fitted = fit(answers["validation"], runs.labels, runs.positive, chosen)
    lost = {}
    if original:
        before = from_tensors(original.tensors, part.samples, part.size)
        after = _aucs(answers[a.part], fitted)
        lost = {name: round(value - after[name], 5) for name, value in _aucs(before, fitted).items()}
    judgement = describe(runs, a) | fitted_record(fitted) | judge(answers[a.part], fitted, a.part, chosen)
    checks = Checks(a.variant, len(checked), plain, shipped, len(content), model.ByteSize(), lost)
    return Made(content, judgement, fitted, answers, checks)


def _by_set(tensors: dict[str, np.ndarray], sets: dict[str, SampleSet]) -> dict[str, Answers]:
    answers, start = {}, 0
    for name, images in sets.items():
        end = start + len(images)
        answers[name] = from_tensors(
            {key: value[start:end] for key, value in tensors.items()}, images.samples, images.size
        )
        start = end
    return answers


def figures(made: Made) -> dict[str, dict]:
    """What the manifest keeps of the judgement: one line for each set, value and interval; and the check of the
    file."""
    kept = {}
    for name, record in made.judgement["sets"].items():
        nested = {
            **record,
            **{f"{key} of labels" if key == "accuracy" else key: v for key, v in record.get("labels", {}).items()},
            **{f"regions {key}": v for key, v in record.get("regions", {}).items()},
        }
        counts = {key: record[key] for key in ("images", "patients", "positives")}
        measured = {
            key: [v["value"], v["low"], v["high"]] for key, v in nested.items() if isinstance(v, dict) and "low" in v
        }
        kept[f"{made.judgement['part']} {name}"] = counts | measured
    checks = made.checks
    difference = {name: float(f"{value:.2g}") for name, value in checks.plain.difference.items()}
    timing = {"medianMs": checks.shipped.median_ms, "fastestMs": checks.shipped.fastest_ms}
    kept["onnx"] = {"variant": checks.variant, "largestDifference": difference, **timing}
    if checks.lost:
        kept["onnx"]["aucLost"] = checks.lost
    return kept
