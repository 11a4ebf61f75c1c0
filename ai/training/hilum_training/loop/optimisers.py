"""What turns gradients into steps: which parameters decay, which learn slowly, which not at all."""
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

OPTIMISERS: dict[str, Callable[[list[dict]], Optimizer]] = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.0),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.0),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.0, alpha=0.9, momentum=0.9),
}
# Peak learning rates from which a network learns from scratch at a batch of 32; --rate says otherwise.
RATES = {"sgd": 0.05, "adam": 1e-3, "adamw": 1.5e-3, "rmsprop": 5e-4}


def optimiser(name: str, network: nn.Module, decay: float, backbone_share: float) -> Optimizer:
    """Weight decay on matrices and filters alone: on biases and normalisation it hurts (He 2019, arXiv 1812.01187).

    Each group carries `share`: its rate is that part of the schedule's, `backbone_share` for the backbone.
    """
    backbone = {id(p) for p in getattr(network, "backbone", nn.Module()).parameters()}
    groups = []
    for in_backbone, share in ((True, backbone_share), (False, 1.0)):
        for matrices in (True, False):
            chosen = [
                p for p in network.parameters() if (id(p) in backbone) == in_backbone and (p.ndim > 1) == matrices
            ]
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay if matrices else 0.0, "share": share})
    return OPTIMISERS[name](groups)


def set_rate(optimizer: Optimizer, now: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = now * group["share"]


def freeze(network: nn.Module, frozen: bool) -> None:
    """A frozen backbone gets no gradient, and its normalisation keeps the statistics that it came with.

    To be called after `network.train()`, which would wake the normalisation.
    """
    backbone = network.backbone
    for parameter in backbone.parameters():
        parameter.requires_grad_(not frozen)
    if frozen:
        backbone.eval()
