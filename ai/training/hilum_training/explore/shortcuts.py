"""What gives the class away without a look at the lungs."""
import numpy as np

from .exploration import Exploration
from .gray import auc


def shortcuts(e: Exploration, source: str) -> dict[str, float]:
    """AUC of pneumonia against normal by one number that knows nothing of lungs; the most telling first."""
    at = e.where(source)
    truth = np.array([e.samples[i].positive for i in at])
    values = {
        "mean gray": e.gray.mean[at],
        "contrast": e.gray.contrast[at],
        "share of black": e.gray.black[at],
        "share of white": e.gray.white[at],
    }
    found = {name: auc(value, truth) for name, value in values.items()}
    for name, value, known in (
        ("width of the image", lambda s: s.width, lambda s: s.width and s.height),
        ("height of the image", lambda s: s.height, lambda s: s.width and s.height),
        ("width over height", lambda s: s.width / s.height, lambda s: s.width and s.height),
        ("age", lambda s: s.age, lambda s: s.age is not None),
        ("view AP", lambda s: s.view == "AP", lambda s: s.view != ""),
    ):
        told = [e.samples[i] for i in at if known(e.samples[i])]
        if told:
            found[name] = auc(np.array([value(s) for s in told]), np.array([s.positive for s in told]))
    return {name: round(value, 3) for name, value in sorted(found.items(), key=lambda item: -item[1])}
