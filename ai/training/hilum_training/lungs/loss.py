"""What is wrong with the lungs that a network draws: against outlines, and, where there are none, against a box around
both.

A box says of every row and every column whether there is any lung in it, and so must the drawing's projections: BoxInst
(Tian 2020, arXiv 2012.02310), eq. 2. Each lung has its side of the box.
"""
import torch
from torch import Tensor
from torch.nn import functional as F

BOX_WEIGHT = 0.3
# Shares of the box's width: up to where a lung surely reaches from its own side, and how far it can at most. The spine is
# about in the middle, and the mediastinum around it no lung. Without the second, one "lung" runs around the chest and
# fills the box by itself.
REACHES, AT_MOST = 0.35, 0.45
# Shares of the box's height: the box ends with the one lung that is higher at the top, or lower at the bottom.
TOP, BOTTOM = 0.1, 0.85


def _dice_loss(told: Tensor, truth: Tensor, over: tuple[int, ...]) -> Tensor:
    """1 - dice over the dimensions `over`, smoothed so that nothing against nothing is right."""
    return 1 - (2 * (told * truth).sum(over) + 1) / ((told + truth).sum(over) + 1)


def outline_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits and masks [n, 2, s, s], masks 0 to 1."""
    return F.binary_cross_entropy_with_logits(logits, masks) + _dice_loss(logits.sigmoid(), masks, (2, 3)).mean()


def box_loss(logits: Tensor, boxes: Tensor) -> Tensor:
    """Logits [n, 2, s, s], boxes [n, 4] x1, y1, x2, y2 in their pixels; a box of no area says nothing."""
    size = logits.shape[-1]
    known = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).float()
    middle = torch.arange(size, device=logits.device) + 0.5
    left, top, right, bottom = (side.unsqueeze(1) for side in boxes.unbind(1))
    across = (middle - left) / (right - left).clamp(min=1e-6)
    down = (middle - top) / (bottom - top).clamp(min=1e-6)
    level = (down >= 0) & (down < 1)
    surely_level = ((down < 0) | (down >= TOP)) & ((down < BOTTOM) | (down >= 1))
    p = logits.sigmoid()
    loss = _dice_loss(p.amax((1, 3)), level.float(), (1,))
    for lung, inwards in ((0, across), (1, 1 - across)):
        possible = ((inwards >= 0) & (inwards < AT_MOST)).unsqueeze(1) & level.unsqueeze(2)
        fills = (inwards >= 0) & (inwards < REACHES)
        told = (fills | (inwards < 0) | (inwards >= AT_MOST)).float()
        loss = loss + (F.softplus(logits[:, lung]) * ~possible).mean((1, 2))
        loss = loss + _dice_loss(p[:, lung].amax(1) * told, fills.float(), (1,))
        loss = loss + _dice_loss(p[:, lung].amax(2) * surely_level, (level & surely_level).float(), (1,))
    return (loss * known).mean()
