"""The event files hold what was written, by a decoder of their own, and begin again where a run did."""
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum_training.loop.pictures import grid
from hilum_training.loop.tensorboard import EventWriter, masked_crc


def varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def message(data: bytes) -> dict[int, list]:
    """The fields of a protobuf message by number."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif wire == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def events(folder: Path) -> list[dict[int, list]]:
    """Every event of the one file in `folder`; checksums are checked bit by bit, not by table."""
    def crc(data: bytes) -> int:
        register = 0xFFFFFFFF
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ 0x82F63B78 * (register & 1)
        register ^= 0xFFFFFFFF
        return (register >> 15 | register << 17 & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF

    (file,) = folder.iterdir()
    data, at, found = file.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = data[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", data, at + 8)[0] == crc(data[at:at + 8])
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == crc(event)
        found.append(message(event))
        at += 16 + length
    return found


def test_the_checksum_is_that_of_the_standard() -> None:
    # RFC 3720 B.4: CRC-32C of 32 zero bytes is 8a9136aa; masked as in TensorFlow's crc32c.h.
    assert masked_crc(bytes(32)) == ((0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_scalars_and_pictures_come_back_as_they_were_written(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "tb")
    writer.scalars(300, {"train/loss": 0.25, "train/rate": 1e-3})
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    writer.image(301, "train/batch", pixels)
    writer.close()
    version, loss, rate, picture = events(tmp_path / "tb")
    assert version[3] == [b"brain.Event:2"]
    value = message(message(loss[5][0])[1][0])
    assert loss[2] == [300] and value[1] == [b"train/loss"] and value[2] == [0.25]
    assert message(message(rate[5][0])[1][0])[2][0] == pytest.approx(1e-3)
    value = message(message(picture[5][0])[1][0])
    image = message(value[4][0])
    assert picture[2] == [301] and value[1] == [b"train/batch"] and (image[1], image[2], image[3]) == ([5], [7], [3])
    assert np.array_equal(np.asarray(Image.open(BytesIO(image[4][0]))), pixels)


def test_a_run_that_goes_on_says_from_which_step(tmp_path: Path) -> None:
    EventWriter(tmp_path / "tb", step=40).close()
    _, start = events(tmp_path / "tb")
    assert start[2] == [40] and message(start[7][0]) == {1: [1]}


def test_pictures_show_the_truth_in_red_and_what_was_found_in_blue() -> None:
    images = np.full((5, 64, 64), 0.5, np.float32)
    heat = np.zeros((5, 8, 8), np.float32)
    heat[0, 5:, 5:] = 1
    boxes = [np.array([[8, 8, 24, 24]], np.float32)] + [np.zeros((0, 4), np.float32)] * 4
    picture = grid(images, boxes, heat).astype(int)
    assert picture.shape == (2 * 160, 4 * 160, 3)
    frame, found, empty = picture[40, 20], picture[145, 145], picture[100, 300]
    assert frame[0] > 200 > 100 > frame[2] and found[2] > found[0] + 80 and len(set(empty)) == 1
