"""What a network consists of: its layers, what they give, and what they cost."""
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """`shape` of its output without the batch; `operations` are multiply-adds for one image."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    operations: int


def _operations(module: nn.Module, out: Tensor) -> int:
    places = out[0].numel()
    if isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        return places * module.in_channels // module.groups * height * width
    return places * module.in_features if isinstance(module, nn.Linear) else 0


def layers(network: nn.Module, size: int) -> list[Layer]:
    """Every layer that has no layers inside, in the order in which an image of `size` pixels passes them."""
    passed: dict[str, Layer] = {}
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        own = sum(p.numel() for p in module.parameters())

        def note(_: nn.Module, __: Any, out: Any) -> None:
            # A head asked at every place of the map is the same layers again: told once, for the pooled features.
            if isinstance(out, Tensor) and name not in passed:
                passed[name] = Layer(name, type(module).__name__, tuple(out.shape[1:]), own, _operations(module, out))

        handles.append(module.register_forward_hook(note))

    for name, module in network.named_modules():
        if not list(module.children()):
            watch(name, module)
    network.eval()
    with torch.no_grad():
        network(torch.rand(1, 1, size, size))
    for handle in handles:
        handle.remove()
    return list(passed.values())


def totals(network: nn.Module, told: list[Layer]) -> dict[str, int]:
    """Parameters of the whole and of the backbone, and multiply-adds for one image."""
    backbone = getattr(network, "backbone", None)
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "backbone": sum(p.numel() for p in backbone.parameters()) if backbone is not None else 0,
        "operations": sum(layer.operations for layer in told),
    }


def table(told: list[Layer]) -> str:
    """One line a layer, in columns."""
    rows = [
        (one.name, one.kind, "x".join(map(str, one.shape)), f"{one.parameters:,}", f"{one.operations:,}")
        for one in told
    ]
    rows.insert(0, ("layer", "kind", "output", "parameters", "multiply-adds"))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    )
