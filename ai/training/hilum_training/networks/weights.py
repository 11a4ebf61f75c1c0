"""Start from weights that there are already: a run or a package of ours, a file of torchvision's, or its own download."""
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from .build import read_checkpoint
from .package_weights import read_package


@dataclass(frozen=True)
class Matched:
    """How many of the network's tensors were filled, of how many; and the first names that were not."""

    filled: int
    total: int
    missing: list[str]

    def __str__(self) -> str:
        shown = ", ".join(self.missing[:4]) + (", …" if len(self.missing) > 4 else "")
        rest = f"; not there: {shown}" if shown else ""
        return f"{self.filled} of {self.total} tensors{rest}"


def is_package(file: Path) -> bool:
    return file.suffix == ".onnx"


def _tensors(file: Path) -> dict[str, Tensor]:
    if is_package(file):
        return read_package(file)
    kept = read_checkpoint(file)
    for part in ("average", "network", "state_dict", "model"):  # ours first: the average is the better network
        if isinstance(kept.get(part), dict):
            kept = kept[part]
            break
    return {re.sub(r"^(module|model)\.", "", name): value for name, value in kept.items() if isinstance(value, Tensor)}


def _plain_vgg(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of VGG without batch normalisation, under the names that its convolutions have with it.

    `features` then counts one module more for each convolution that came before.
    """
    numbers = sorted({int(m[1]) for name in given if (m := re.fullmatch(r"features\.(\d+)\.weight", name))})
    place = {old: old + before for before, old in enumerate(numbers)}
    renamed = {}
    for name, value in given.items():
        found = re.fullmatch(r"features\.(\d+)\.(weight|bias)", name)
        renamed[f"features.{place[int(found[1])]}.{found[2]}" if found else name] = value
    return renamed


def _is_plain_vgg(given: dict[str, Tensor]) -> bool:
    return (
        "features.2.weight" in given
        and given["features.2.weight"].ndim == 4
        and not any("running_mean" in n for n in given)
    )


def _names(name: str) -> list[str]:
    """Under what a tensor of ours may stand in a file: as it is, or as torchvision calls the backbone's."""
    return [name, name.removeprefix("backbone.")]


def fill(network: nn.Module, given: dict[str, Tensor]) -> Matched:
    """Copy every tensor whose name and shape fit; three input channels become one by their sum."""
    if _is_plain_vgg(given):
        given = _plain_vgg(given)
    own = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    missing = []
    with torch.no_grad():
        for name, value in own.items():
            fit = next((given[n] for n in _names(name) if n in given), None)
            if fit is not None and fit.ndim == 4 and fit.shape[1] == 3 and value.shape[1] == 1:
                fit = fit.sum(1, keepdim=True)
            if fit is None or fit.shape != value.shape:
                missing.append(name)
            else:
                value.copy_(fit)
    return Matched(len(own) - len(missing), len(own), missing)


def load_weights(network: nn.Module, file: Path) -> Matched:
    """Fill what fits from a state dict, a checkpoint or a package. @raises TrainingError if the file is none, or nothing fits."""
    matched = fill(network, _tensors(file))
    if not matched.filled:
        raise TrainingError(f"no tensor of {file} fits this network by name and shape")
    return matched


def load_published(network: nn.Module, arch: str, published: str) -> Matched:
    """Torchvision's ImageNet weights. @raises TrainingError if there are none, or they cannot be had."""
    from torchvision.models import get_weight

    if not published:
        raise TrainingError(f"{arch} has no published weights: give a file, or train from scratch")
    chosen = get_weight(published)
    try:
        given = chosen.get_state_dict(progress=False)
    except (URLError, OSError, RuntimeError) as reason:
        raise TrainingError(
            f"cannot download {chosen.url}: {reason}; get it elsewhere and give --weights FILE"
        ) from reason
    return fill(network, given)
