"""An exponential moving average of a network's weights: less noisy than any single step's, and usually better."""
import torch
from torch import nn


def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Weights and batch statistics; quicker at the beginning, or the random first weights would stay for long."""
    now = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), network.state_dict().values()):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - now)
            else:
                old.copy_(new)
