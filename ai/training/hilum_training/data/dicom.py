"""DICOM radiographs: the header's facts, and the pixels as a monitor shows them (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2).

The same way from stored values to gray as the gateway's ai/imaging/grayscale.ts, so that a model is trained on what it
will be shown.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixel_data_handlers.util import apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.uid import ImplicitVRLittleEndian

from ..errors import TrainingError

# Share of pixels beyond each end of the window where a file brings none, as in the gateway.
TAIL = 0.005
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25, "": 1.0}
FACTS = ["PatientID", "PatientAge", "PatientSex", "PatientBirthDate", "StudyDate", "ViewPosition", "Rows", "Columns"]


@dataclass(frozen=True)
class Header:
    """What a header tells of patient and picture: age in years, view as in View Position, size in pixels."""

    patient: str
    age: float | None
    sex: str
    view: str
    width: int
    height: int


def age_years(text: str) -> float | None:
    """Age String (PS3.5 6.2): 045Y, 018M, 003W, 005D. Bare digits, as the RSNA files have them, are years."""
    match = re.fullmatch(r"\s*(\d{1,3})\s*([YMWD]?)\s*", text.upper())
    return int(match[1]) * YEARS[match[2]] if match else None


def header(path: Path) -> Header:
    """@raises TrainingError if the file is no DICOM image"""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that break the standard's rules are common and told by their use
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=FACTS, force=True)
            if not dataset.get("Rows") or not dataset.get("Columns"):
                raise TrainingError(f"cannot read image {path}: no DICOM image (it tells no Rows and Columns)")
            sex = str(dataset.get("PatientSex") or "").strip().upper()
            return Header(
                patient=str(dataset.get("PatientID") or "").strip(),
                age=age_years(str(dataset.get("PatientAge") or "")),
                sex=sex if sex in ("F", "M", "O") else "",
                view=str(dataset.get("ViewPosition") or "").strip().upper(),
                width=int(dataset.Columns),
                height=int(dataset.Rows),
            )
    except (OSError, InvalidDicomError, ValueError, AttributeError, TypeError, NotImplementedError) as reason:
        raise TrainingError(f"cannot read image {path}: {reason}") from reason


def _window(values: np.ndarray, counts: np.ndarray, dataset: Dataset) -> np.ndarray:
    """0 to 1 through the file's table or window, else between the tails of what the picture holds.

    `values` are those of the modality, one for each stored value, and `counts` how many pixels have it.
    """
    if "VOILUTSequence" in dataset:
        table = dataset.VOILUTSequence[0]
        shown = apply_voi_lut(values.astype(np.int32), dataset, prefer_lut=True)
        return np.clip(shown / (2.0 ** int(table.LUTDescriptor[2]) - 1), 0, 1)
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    centre, width = (v[0] if isinstance(v, pydicom.multival.MultiValue) else v for v in (centre, width))
    shape = dataset.get("VOILUTFunction") or "LINEAR"
    if centre is None or width is None or float(width) < (1 if shape == "LINEAR" else 1e-9):
        order = np.argsort(values)
        below = counts[order].cumsum() / counts.sum()
        low, high = values[order][np.searchsorted(below, [TAIL, 1 - TAIL])]
        return np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    centre, width = float(centre), float(width)
    if shape == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if shape == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    return np.clip((values - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5, 0, 1)


def displayed(path: Path) -> np.ndarray:
    """uint8 [rows, columns], 0 black: the first frame as a monitor shows it. @raises TrainingError if there is none."""
    dataset = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            # A bare dataset without file meta information is implicit little endian (PS3.5 10.1).
            dataset.file_meta.setdefault("TransferSyntaxUID", ImplicitVRLittleEndian)
            stored = dataset.pixel_array
            if int(dataset.get("NumberOfFrames") or 1) > 1:
                stored = stored[0]
            photometric = str(dataset.PhotometricInterpretation)
            if stored.ndim == 3:
                rgb = convert_color_space(stored, photometric, "RGB") if photometric.startswith("YBR") else stored
                return (rgb @ np.array([0.299, 0.587, 0.114])).round().clip(0, 255).astype(np.uint8)
            # Each stored value is worked out once, not each pixel.
            first = int(stored.min())
            cells = np.arange(first, int(stored.max()) + 1)
            values = np.asarray(apply_modality_lut(cells.astype(stored.dtype), dataset), np.float32)
            share = _window(values, np.bincount(stored.ravel().astype(np.int64) - first), dataset)
            shape = str(dataset.get("PresentationLUTShape") or "")
            inverse = shape == "INVERSE" if shape in ("IDENTITY", "INVERSE") else photometric == "MONOCHROME1"
            shown = (255 * (1 - share if inverse else share)).round()
            padding = dataset.get("PixelPaddingValue")
            if padding is not None:
                limit = dataset.get("PixelPaddingRangeLimit", padding)
                shown[(cells >= min(padding, limit)) & (cells <= max(padding, limit))] = 0
            return shown.astype(np.uint8)[stored.astype(np.int64) - first]
    except Exception as reason:  # pydicom's handlers and their codecs raise whatever they like
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None) if dataset else None
        if syntax is not None and syntax.is_compressed:
            hint = f"{syntax.name} is not to be decoded here; decompress it first (gdcmconv --raw, dcmdjpeg, dcmdjpls)"
            raise TrainingError(f"cannot read image {path}: {hint}") from reason
        raise TrainingError(
            f"cannot read image {path}: {str(reason) or type(reason).__name__}".splitlines()[0]
        ) from reason
