"""Start from a model package: the weights of its graph, and the normalisation that the export folded into them.

A package is what the project ships; checkpoints are not. In its graph each batch normalisation is folded into the
convolution before it. `read_package` gives the folded weights by the modules' names, and `unfold` sets the normalisation
up again from what it sees on real images: the same function when asked, and one that can learn on.
"""
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from ..errors import TrainingError

# Images that mean and spread of a channel are taken from, and how many go through at once.
SEEN, AT_ONCE = 512, 32
# Of a channel that never changes: it stays the constant that it is.
LEAST_VARIANCE = 1e-6


def _module(scope: str) -> str:
    """`/networks.0/backbone/layer1/layer1.0/conv1/Conv` -> `backbone.layer1.0.conv1`: a scope that begins with the one
    before it is an item of that one."""
    parts: list[str] = []
    for part in scope.strip("/").split("/")[:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        elif not part.startswith("networks."):
            parts.append(part)
    return ".".join(parts)


# What a node reads after its input, by the names that modules have for it. A normalisation that no convolution stands
# before is not folded.
READ = {
    "Conv": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
}


def read_package(file: Path) -> dict[str, Tensor]:
    """What the convolutions, dense layers and normalisations of model.onnx hold, float32, by module.

    @raises TrainingError if the file is no ONNX, or its graph holds several networks
    """
    try:
        graph = onnx.load(str(file)).graph
    except (OSError, DecodeError, onnx.checker.ValidationError) as reason:
        raise TrainingError(f"{file} is not a readable ONNX file: {str(reason).splitlines()[0]}") from reason
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # Halved weights are cast, and those of 8 bits cast and scaled, before they are used (export/variants.py).
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]].astype(np.float32)
        elif node.op_type == "Mul" and all(name in stored for name in node.input):
            stored[node.output[0]] = stored[node.input[0]] * stored[node.input[1]]
    weights: dict[str, Tensor] = {}
    for node in graph.node:
        for name, kind in zip(node.input[1:], READ.get(node.op_type, ())):
            key = f"{_module(node.name)}.{kind}"
            if key in weights:
                raise TrainingError(f"{file} averages several networks: training goes on from one")
            if name in stored:
                weights[key] = torch.from_numpy(np.array(stored[name], np.float32))
    return weights


def _normalised(network: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Names of each convolution and of the normalisation that reads what it gives."""
    gave: dict[int, str] = {}
    kept: list[Tensor] = []  # or the next tensor could get a number that is taken
    pairs: list[tuple[str, str]] = []
    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(_: nn.Module, __: tuple, out: Tensor, name: str = name) -> None:
                gave[id(out)] = name
                kept.append(out)

            handles.append(module.register_forward_hook(note))
        elif isinstance(module, nn.BatchNorm2d):

            def pair(_: nn.Module, given: tuple, name: str = name) -> None:
                if id(given[0]) in gave:
                    pairs.append((gave[id(given[0])], name))

            handles.append(module.register_forward_pre_hook(pair))
    network(images)
    for handle in handles:
        handle.remove()
    return pairs


@torch.no_grad()
def unfold(network: nn.Module, folded: dict[str, Tensor], images: np.ndarray) -> None:
    """Give each normalisation the mean and spread of what it sees of `images` (uint8 [n, s, s]), and the scale and shift
    that take both back and add the folded bias. The convolutions hold the folded weights already."""
    network.eval()
    shown = torch.from_numpy(images[:SEEN]).unsqueeze(1).float() / 255
    modules = dict(network.named_modules())
    pairs = []
    for convolution, normalisation in _normalised(network, shown[:1]):
        bias = folded.get(f"{convolution}.bias", folded.get(f"{convolution.removeprefix('backbone.')}.bias"))
        if bias is None:
            continue  # not in the package: as it was drawn
        if modules[convolution].bias is not None:
            modules[convolution].bias.zero_()  # it is part of the folded one
        own = modules[normalisation]
        pairs.append((own, bias))
        own.running_mean.zero_()
        own.running_var.fill_(1 - own.eps)
        own.weight.fill_(1)
        own.bias.copy_(bias)
    network.to(memory_format=torch.channels_last)
    sums = [torch.zeros(3, len(bias), dtype=torch.float64) for _, bias in pairs]
    handles = []
    for (own, _), total in zip(pairs, sums):

        def add(_: nn.Module, given: tuple, total: Tensor = total) -> None:
            x = given[0]
            # Within a picture in float32: a hundred times as fast, and what is lost there is lost in use as well.
            powers = [x.pow(power).sum((2, 3)).double().sum(0) for power in (1, 2)]
            total += torch.stack([torch.full_like(total[0], x[:, 0].numel()), *powers])

        handles.append(own.register_forward_pre_hook(add))
    for start in range(0, len(shown), AT_ONCE):
        network(shown[start:start + AT_ONCE].contiguous(memory_format=torch.channels_last))
    for handle in handles:
        handle.remove()
    for (own, bias), (count, total, squares) in zip(pairs, sums):
        mean = total / count
        variance = (squares / count - mean.pow(2)).clamp(min=LEAST_VARIANCE)
        own.running_mean.copy_(mean)
        own.running_var.copy_(variance)
        own.weight.copy_((variance + own.eps).sqrt())
        own.bias.copy_(bias.double() + mean)
