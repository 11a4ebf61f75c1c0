"""Pictures of a run for TensorBoard: what the network is shown, and what it points at."""
import numpy as np
from PIL import Image, ImageDraw

COLUMNS = 4
SIDE = 160  # pixels of each tile: a grid of eight fits a screen


def _tile(image: np.ndarray, boxes: np.ndarray, heat: np.ndarray | None) -> np.ndarray:
    gray = np.repeat((image.clip(0, 1) * 255)[..., None], 3, axis=2)
    if heat is not None:
        size = image.shape[0]
        drawn = Image.fromarray(heat.astype(np.float32)).resize((size, size), Image.BILINEAR)
        shown = np.asarray(drawn).clip(0, 1)[..., None]
        gray = gray * (1 - 0.5 * shown) + np.array([0, 90, 255]) * 0.5 * shown  # predictions are blue, the truth is red
    picture = Image.fromarray(gray.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        draw.rectangle([float(v) for v in box], outline=(255, 40, 40), width=max(1, image.shape[0] // 128))
    return np.asarray(picture.resize((SIDE, SIDE), Image.BILINEAR))


def grid(images: np.ndarray, boxes: list[np.ndarray], heat: np.ndarray | None = None) -> np.ndarray:
    """Images [n, s, s] in 0 to 1, true boxes in pixels, heat [n, h, w] in 0 to 1 -> uint8 [rows, columns, 3]."""
    tiles = [_tile(image, boxes[i], heat[i] if heat is not None else None) for i, image in enumerate(images)]
    tiles += [np.zeros((SIDE, SIDE, 3), np.uint8)] * (-len(tiles) % COLUMNS)
    return np.concatenate([np.concatenate(tiles[i:i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)])
