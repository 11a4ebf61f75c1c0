"""The backbones: one gray radiograph in, one map of features out.

Each keeps the names of torchvision's modules, so that a weights file of torchvision's (or of whoever used it) fits by
name. Their first convolution takes one channel: in a gray image R = G = B, so the sum of three filters does the same
work.
"""
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck


@dataclass(frozen=True)
class Architecture:
    """`build()` gives a module: image [n, 1, s, s] -> features [n, width, h, w]; `least` is the smallest s, in pixels.

    `hidden` are the dense layers that its projects put on top, before the last; `published` is torchvision's name of
    its ImageNet weights, empty where there are none.
    """

    build: Callable[[], nn.Module]
    width: int
    least: int
    paper: str
    hidden: tuple[int, ...] = ()
    published: str = ""


class ResNet(models.ResNet):
    """ResNet 18 and 50; also gives its features at strides 8, 16 and 32, for a feature pyramid."""

    def __init__(self, block: type[nn.Module], depths: list[int]) -> None:
        super().__init__(block, depths, zero_init_residual=True)
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        del self.fc
        self.widths = (128 * block.expansion, 256 * block.expansion, 512 * block.expansion)

    def stages(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        c3 = self.layer2(x)
        c4 = self.layer3(c3)
        return c3, c4, self.layer4(c4)

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)[-1]


class Inception(models.Inception3):
    """Inception V3 up to its last mixed block, without the auxiliary classifier."""

    def __init__(self) -> None:
        super().__init__(aux_logits=False, transform_input=False, init_weights=False)
        self.Conv2d_1a_3x3.conv = nn.Conv2d(1, 32, 3, stride=2, bias=False)
        del self.fc
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        skipped = {"avgpool", "dropout", "AuxLogits"}  # what torchvision's own forward does after the features
        for name, layer in self.named_children():
            x = x if name in skipped else layer(x)
        return x


class Features(nn.Module):
    """VGG, MobileNet and DenseNet: torchvision keeps their convolutions in `features`, the first of them at `first`."""

    def __init__(self, features: nn.Sequential, first: str, last: nn.Module | None = None) -> None:
        super().__init__()
        self.features = features
        old = features.get_submodule(first)
        new = nn.Conv2d(1, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None)
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        if new.bias is not None:
            nn.init.zeros_(new.bias)
        parent, _, name = first.rpartition(".")
        setattr(features.get_submodule(parent), name, new)
        self.last = last if last is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


class Clipped(nn.Module):
    """ReLU6, in an operation that PyTorch can also go back through in bfloat16 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0, 6)


def _mobilenet_v2() -> nn.Sequential:
    features = models.mobilenet_v2().features
    for module in list(features.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, Clipped())
    return features


class Residual(nn.Module):
    """x + two pre-activated 3 x 3 convolutions (He 2016, arXiv 1603.05027)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), conv]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _resnet_scratch() -> nn.Module:
    """The small residual network of the RSNA challenge's notebooks: 32 channels, doubled and halved in size four times,
    two residual blocks after each. The stem strides too, which theirs does not: a quarter of the time on a CPU."""
    layers: list[nn.Module] = [nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)]
    for width in (32, 64, 128, 256):
        layers += [
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 1, bias=False),
            nn.MaxPool2d(2),
            Residual(2 * width),
            Residual(2 * width),
        ]
    return nn.Sequential(*layers, nn.BatchNorm2d(512), nn.ReLU(inplace=True))


def _plain_cnn() -> nn.Module:
    """Convolution, normalisation, pooling, five times: what a first notebook on these data tries."""
    layers: list[nn.Module] = []
    for before, width in zip((1, 32, 64, 128, 128), (32, 64, 128, 128, 256)):
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                   nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def _vgg19() -> nn.Module:
    """Only its convolutions: torchvision's whole VGG first draws 120 million weights of dense layers."""
    features = models.vgg.make_layers(models.vgg.cfgs["E"], batch_norm=True)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return Features(features, "0")


# VGG19 is the one with batch normalisation: without it nothing is learnt from scratch. Plain weights still fit
# (weights.py).
ARCHITECTURES: dict[str, Architecture] = {
    "inception-v3": Architecture(Inception, 2048, 75, "arXiv 1512.00567", (256,), "Inception_V3_Weights.IMAGENET1K_V1"),
    "resnet18": Architecture(
        lambda: ResNet(BasicBlock, [2, 2, 2, 2]),
        512,
        32,
        "arXiv 1512.03385",
        published="ResNet18_Weights.IMAGENET1K_V1",
    ),
    "resnet50": Architecture(
        lambda: ResNet(Bottleneck, [3, 4, 6, 3]),
        2048,
        32,
        "arXiv 1512.03385",
        published="ResNet50_Weights.IMAGENET1K_V2",
    ),
    "resnet-scratch": Architecture(_resnet_scratch, 512, 32, "RSNA Pneumonia Detection Challenge 2018, notebooks"),
    "vgg19": Architecture(_vgg19, 512, 32, "arXiv 1409.1556", (256,), "VGG19_BN_Weights.IMAGENET1K_V1"),
    "mobilenet-v2": Architecture(
        lambda: Features(_mobilenet_v2(), "0.0"),
        1280,
        32,
        "arXiv 1801.04381",
        published="MobileNet_V2_Weights.IMAGENET1K_V2",
    ),
    "mobilenet-v3": Architecture(
        lambda: Features(models.mobilenet_v3_large().features, "0.0"),
        960,
        32,
        "arXiv 1905.02244",
        published="MobileNet_V3_Large_Weights.IMAGENET1K_V2",
    ),
    "densenet169": Architecture(
        lambda: Features(models.densenet169().features, "conv0", nn.ReLU()),
        1664,
        32,
        "arXiv 1608.06993",
        published="DenseNet169_Weights.IMAGENET1K_V1",
    ),
    "plain-cnn": Architecture(_plain_cnn, 256, 32, "five layers, no paper", (128,)),
}
