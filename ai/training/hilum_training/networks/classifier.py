"""A classifier: a backbone, pooling, dense layers; and the same dense layers asked at every place, which is its map.

The map is the class activation map of Zhou 2016 (arXiv 1512.04150), which for a head with hidden layers becomes the
same head run as 1 x 1 convolutions: what the image would be called if all of it looked like this place.
"""
from collections.abc import Sequence

from torch import Tensor, nn

from ..errors import TrainingError
from .backbones import ARCHITECTURES, Architecture

DROPOUT = 0.2


def architecture(name: str) -> Architecture:
    """@raises TrainingError if there is none of this name, listing those that there are."""
    if name not in ARCHITECTURES:
        raise TrainingError(f"no architecture '{name}': there are {', '.join(ARCHITECTURES)}, detector")
    return ARCHITECTURES[name]


def normalised(image: Tensor) -> Tensor:
    """Each image by its own mean and spread: windowing and exposure then matter little."""
    centred = image - image.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.pow(2).mean(dim=(2, 3), keepdim=True).sqrt() + 1e-3)


class Classifier(nn.Module):
    """`image` [n, 1, s, s] in 0 to 1 -> logits [n, classes], map of the same logits [n, classes, h, w].

    One class: the log-odds of pneumonia. Three: normal, bacterial, viral, before softmax.
    """

    def __init__(self, arch: str, classes: int, hidden: Sequence[int] = (), dropout: float = DROPOUT) -> None:
        super().__init__()
        chosen = architecture(arch)
        self.least = chosen.least
        self.backbone = chosen.build()
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        width = chosen.width
        for units in hidden:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
            width = units
        self.head = nn.Sequential(*layers, nn.Linear(width, classes))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(normalised(image)).float()
        # Dense layers work on the last dimension, so the same ones serve the pooled features and every place.
        logits = self.head(features.mean(dim=(2, 3)))
        cam = self.head(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return logits.float(), cam.float()
