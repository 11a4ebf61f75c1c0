"""The images that are judged: validation and another part, by the split that the runs were trained with."""

from argparse import Namespace
from pathlib import Path

import numpy as np

from ..data.samples import Sample, SampleSet, load_images
from ..data.sources import read_sources
from ..data.splits import Split, part_indices, read_split
from ..errors import TrainingError
from ..networks.origins import refuse_trained, split_files
from .fitting import Options
from .runs import Runs


def options(a: Namespace) -> Options:
    """@raises TrainingError for a share that is none"""
    if not 0 < a.sensitivity <= 1:
        raise TrainingError(f"--sensitivity {a.sensitivity:g} must be above 0 and at most 1")
    if a.false_regions < 0:
        raise TrainingError(f"--false-regions {a.false_regions:g}: 0 or more an image")
    if a.threads < 1:
        raise TrainingError(f"--threads {a.threads}: at least 1")
    if a.draws < 100:
        raise TrainingError(f"--draws {a.draws} are too few for an interval: at least 100")
    return Options(a.sensitivity, a.choose == "youden", a.false_regions, a.draws, a.seed)


def _refuse_trained(split: Split, runs: Runs) -> None:
    """Every run, and whatever it came from, must have left alone what is judged. @raises TrainingError"""
    for folder, config in zip(runs.folders, runs.configs):
        refuse_trained(split, config, str(folder))


def _usable(samples: list[Sample], runs: Runs) -> list[Sample]:
    """A run that tells kinds apart is not judged by images whose kind nobody knows."""
    return [s for s in samples if runs.task != "type" or s.label in runs.labels]


def held_sets(a: Namespace, runs: Runs) -> dict[str, SampleSet]:
    """Validation and the judged part, at the size of the runs.

    @raises TrainingError if a run was trained on a patient that would be judged, or a part has no image
    """
    files = a.split or split_files(runs.config, str(runs.folders[0]))
    split = read_split(*files)
    _refuse_trained(split, runs)
    found = read_sources(a.data or runs.config["data"])
    for s in found:
        if s.source == "phantom":
            split.setdefault((s.source, s.patient), "train")  # nobody's patients, as fit has it
    cache = a.cache or Path(runs.config["options"]["cache"])
    parts: dict[str, list[SampleSet]] = {part: [] for part in dict.fromkeys(("validation", a.part))}
    # By source, as fit reads them, so that the cache of decoded images serves both.
    for name in dict.fromkeys(s.source for s in _usable(found, runs)):
        whole = load_images([s for s in found if s.source == name], runs.size, cache)
        for part, at in part_indices(whole.samples, split).items():
            if part in parts:
                usable = set(map(id, _usable(whole.samples, runs)))
                parts[part].append(whole.subset([i for i in at if id(whole.samples[i]) in usable]))
    for part, sets in parts.items():
        if not sum(len(each) for each in sets):
            raise TrainingError(f"no images in the {part} part of {', '.join(map(str, files))}")
    return {
        part: SampleSet([s for each in sets for s in each.samples], np.concatenate([each.images for each in sets]))
        for part, sets in parts.items()
    }
