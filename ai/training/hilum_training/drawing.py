"""How the reports' plots look: one figure as a data address, in one style."""

import base64
import io
from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend must be chosen first

INK, GRAY = "#1d2733", "#8a94a3"
STYLE = {
    "font.size": 9,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def inlined(kind: str, content: bytes) -> str:
    """`kind`: png or jpeg."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def figure(title: str, draw: Callable[[plt.Axes], None], width: float = 3.7, height: float = 3.3) -> str:
    """What `draw` puts on the axes, `width` x `height` inches, as a PNG."""
    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(figsize=(width, height), dpi=150)
        axes.set_title(title)
        draw(axes)
        drawn.tight_layout()
        buffer = io.BytesIO()
        drawn.savefig(buffer, format="png")
        plt.close(drawn)
    return inlined("png", buffer.getvalue())
