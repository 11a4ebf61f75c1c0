"""DICOM files: shown as a monitor shows them, and what their headers tell; the RSNA challenge's layout."""

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from hilum_training.data.dicom import age_years, displayed, header
from hilum_training.data.pixels import read_gray
from hilum_training.data.sources import read_source
from hilum_training.errors import TrainingError

# pydicom says so too when such a file is written; the RSNA files are like that.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR AS")

RAMP = np.arange(1024, dtype=np.uint16).reshape(32, 32) * 4  # 12 bits, 0 to 4092


def write(file: Path, pixels: np.ndarray = RAMP, **attributes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", f"2.25.{abs(hash(str(file)))}"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = pixels.dtype.itemsize * 8, min(12, pixels.dtype.itemsize * 8)
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    pydicom.dcmwrite(file, dataset, write_like_original=False)
    return file


def test_a_window_is_applied_and_monochrome1_is_shown_the_right_way_round(tmp_path: Path) -> None:
    shown = displayed(write(tmp_path / "a.dcm", WindowCenter=2048, WindowWidth=2048))
    assert shown.dtype == np.uint8 and shown.shape == (32, 32)
    assert shown[0, 0] == 0 and shown[-1, -1] == 255
    assert abs(int(shown.ravel()[512]) - 128) <= 1  # stored 2048, the window's centre
    inverted = displayed(
        write(tmp_path / "b.dcm", WindowCenter=2048, WindowWidth=2048, PhotometricInterpretation="MONOCHROME1")
    )
    np.testing.assert_array_equal(inverted, 255 - shown)


def test_without_a_window_all_but_the_tails_is_shown(tmp_path: Path) -> None:
    pixels = RAMP // 4 + 1000
    pixels[0, 0], pixels[-1, -1] = 0, 4095  # a thousandth each: dead pixels
    shown = displayed(write(tmp_path / "a.dcm", pixels))
    assert shown[0, 1:10].max() < 5 and shown[-1, -10:-1].min() > 250
    assert abs(int(shown.ravel()[512]) - 128) <= 2


def test_rescaling_comes_before_the_window_and_padding_is_black(tmp_path: Path) -> None:
    shown = displayed(
        write(
            tmp_path / "a.dcm",
            RescaleSlope=2,
            RescaleIntercept=-1000,
            WindowCenter=3096,
            WindowWidth=4096,
            PhotometricInterpretation="MONOCHROME1",
            PixelPaddingValue=0,
        )
    )
    assert abs(int(shown.ravel()[512]) - 128) <= 1  # 2 * 2048 - 1000
    assert shown[0, 0] == 0  # white, were it not padding


def test_a_dicom_file_needs_no_ending(tmp_path: Path) -> None:
    assert read_gray(write(tmp_path / "IM000001"), 16).shape == (16, 16)


@pytest.mark.parametrize(
    "text, years", [("045Y", 45), ("018M", 1.5), ("51", 51), ("014D", 14 / 365.25), ("", None), ("old", None)]
)
def test_ages_are_years(text: str, years: float | None) -> None:
    assert age_years(text) == (None if years is None else pytest.approx(years))


def test_a_header_tells_what_it_knows(tmp_path: Path) -> None:
    told = header(write(tmp_path / "a.dcm", PatientID="77", PatientAge="007Y", PatientSex="F", ViewPosition="AP"))
    assert (told.patient, told.age, told.sex, told.view, told.width, told.height) == ("77", 7, "F", "AP", 32, 32)
    bare = header(write(tmp_path / "b.dcm"))
    assert (bare.patient, bare.age, bare.sex, bare.view) == ("", None, "", "")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("hello")
    compressed = write(tmp_path / "jpegls.dcm")
    dataset = pydicom.dcmread(compressed)
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(compressed)
    short = write(tmp_path / "short.dcm", Rows=64)
    for file, said in (
        (tmp_path / "text.dcm", "cannot read image"),
        (compressed, "JPEG-LS.*decompress it first"),
        (short, "cannot read image"),
    ):
        with pytest.raises(TrainingError, match=said) as wrong:
            read_gray(file, 16)
        assert str(file) in str(wrong.value) and "\n" not in str(wrong.value)


def rsna(folder: Path, labels: list[tuple], classes: list[tuple]) -> str:
    for file, rows in (
        ("stage_2_train_labels.csv", [("patientId", "x", "y", "width", "height", "Target"), *labels]),
        ("stage_2_detailed_class_info.csv", [("patientId", "class"), *classes]),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / file, "w", newline="") as opened:
            csv.writer(opened).writerows(rows)
    for name in {row[0] for row in labels}:
        write(folder / "stage_2_train_images" / f"{name}.dcm", PatientAge="51", PatientSex="M", ViewPosition="PA")
    return f"rsna:{folder}"


SICK = [("a", 8, 4, 16, 8, 1), ("a", 0, 0, 4, 4, 1)]
WELL = [("b", "", "", "", "", 0), ("c", "", "", "", "", 0)]
CLASSES = [("a", "Lung Opacity"), ("a", "Lung Opacity"), ("b", "Normal"), ("c", "No Lung Opacity / Not Normal")]


def test_rsna_boxes_classes_and_headers_come_together(tmp_path: Path) -> None:
    a, b, c = read_source(rsna(tmp_path, SICK + WELL, CLASSES))
    assert [(s.patient, s.label, s.detail) for s in (a, b, c)] == [
        ("a", "pneumonia", "Lung Opacity"),
        ("b", "normal", "Normal"),
        ("c", "normal", "No Lung Opacity / Not Normal"),
    ]
    np.testing.assert_allclose(a.boxes, [[0.25, 0.125, 0.75, 0.375], [0, 0, 0.125, 0.125]])
    assert (a.age, a.sex, a.view, a.width, a.height, a.located) == (51, "M", "PA", 32, 32, True)
    assert c.located and c.boxes.shape == (0, 4)


def test_rsna_people_come_from_the_mapping_where_there_is_one(tmp_path: Path) -> None:
    spec = rsna(tmp_path, SICK + WELL, CLASSES)
    mapping = [
        {"subset_img_id": "a", "img_id": "00000013_005.png"},
        {"subset_img_id": "b", "img_id": "00000013_000.png"},
    ]
    (tmp_path / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(mapping))
    assert [s.patient for s in read_source(spec)] == ["nih-00000013", "nih-00000013", "c"]


@pytest.mark.parametrize(
    "labels, classes, said",
    [
        (SICK + WELL, CLASSES[:3], "stage_2_train_labels.csv, row 5: c is not in stage_2_detailed_class_info.csv"),
        (SICK, [("a", "Ill")], "stage_2_detailed_class_info.csv, row 2: unknown class 'Ill'"),
        ([("a", 1, 1, 2, 2, 1), ("a", "", "", "", "", 0)], CLASSES, "row 3: a has Target 0 here and 1 above"),
        ([("b", 1, 1, 2, 2, 1)], CLASSES, "row 2: b has Target 1 but class 'Normal'"),
        ([("a", 1, 1, 40, 2, 1)], CLASSES, "row 2: .* reaches out of the image of 32 x 32 pixels"),
        ([("a", 1, 1, 4, -2, 1)], CLASSES, "row 2: .* has no area"),
        ([("a", 1, 1, 4, 2, "yes")], CLASSES, "row 2: column Target: 'yes' is neither 0 nor 1"),
    ],
)
def test_rsna_lists_that_contradict_are_named_by_row(tmp_path: Path, labels: list, classes: list, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        read_source(rsna(tmp_path, labels, classes))


def test_a_missing_rsna_image_is_named(tmp_path: Path) -> None:
    spec = rsna(tmp_path, SICK, CLASSES)
    (tmp_path / "stage_2_train_images" / "a.dcm").unlink()
    with pytest.raises(TrainingError, match="cannot read image .*a.dcm"):
        read_source(spec)
