"""From an image file to gray bytes, as the gateway shows it to a model: 0 black, 255 white, stretched to a square."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import TrainingError

DICOM_ENDINGS = {".dcm", ".dicom", ".ima"}


def is_dicom(path: Path) -> bool:
    """By the ending, or by the four letters after the preamble (PS3.10 7.1), since many an archive names no ending."""
    if path.suffix.lower() in DICOM_ENDINGS:
        return True
    if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}:
        return False
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _gray(image: Image.Image) -> Image.Image:
    """8 bits. Pillow cuts deeper images off at 255 where they must be scaled."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.float32)
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).round().astype(np.uint8))
    return image.convert("L")


def read_gray(path: Path, size: int, resample: int = Image.BILINEAR) -> np.ndarray:
    """uint8 [size, size]. @raises TrainingError if the file is no readable image."""
    try:
        if is_dicom(path):
            from .dicom import displayed

            image = Image.fromarray(displayed(path))
        else:
            with Image.open(path) as opened:
                image = _gray(opened)
        return np.asarray(image.resize((size, size), resample))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as reason:
        raise TrainingError(f"cannot read image {path}: {reason}") from reason


def dimensions(path: Path) -> tuple[int, int]:
    """Width and height in pixels, without decoding. @raises TrainingError if the file is no readable image."""
    if is_dicom(path):
        from .dicom import header

        found = header(path)
        return found.width, found.height
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as reason:
        raise TrainingError(f"cannot read image {path}: {reason}") from reason
