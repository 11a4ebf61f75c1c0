"""What others report of these networks, and on what: other images, so to be read beside ours, not against them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """`task` as in `train fit`; `figures` by their names in judgement.json, in its `part` if not at the top, as
    reported."""

    arch: str
    task: str
    data: str
    source: str
    figures: dict[str, str]
    part: str = ""


KERMANY = "Kermany, official test set"
RSNA = "RSNA 2018, an own split"
PUBLISHED = (
    Published(
        "inception-v3, transfer",
        "pneumonia",
        KERMANY,
        "Kermany et al., Cell 2018",
        {"auc": "0.968", "accuracy": "0.928", "sensitivity": "0.932", "specificity": "0.901"},
    ),
    Published(
        "inception-v3, transfer",
        "type",
        KERMANY,
        "Kermany et al., Cell 2018",
        {"auc bacterial against viral": "0.940", "accuracy bacterial against viral": "0.907"},
        "labels",
    ),
    Published("resnet-scratch", "pneumonia", RSNA, "public notebooks", {"accuracy": "0.812"}),
    Published("vgg19", "pneumonia", RSNA, "public notebooks", {"accuracy": "0.70"}),
    Published("mobilenet-v2", "pneumonia", RSNA, "public notebooks", {"accuracy": "0.73"}),
)
