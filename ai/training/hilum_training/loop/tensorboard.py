"""Event files that TensorBoard reads: scalars and pictures, written without TensorFlow, tensorboardX or protobuf.

A file is a row of TFRecords (length, masked CRC32C, data, masked CRC32C), each a protobuf `Event`
(tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto; wire format:
protobuf.dev/programming-guides/encoding).
"""
import io
import os
import socket
import struct
import time
from pathlib import Path

import numpy as np
from PIL import Image

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


def _crc_table() -> list[int]:
    """CRC-32C (Castagnoli, RFC 3720 B.4), reflected polynomial."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """As TFRecord stores it: rotated and shifted, so that a checksum of checksums stays useful."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, wire: int, value: bytes) -> bytes:
    return _varint(number << 3 | wire) + (_varint(len(value)) + value if wire == BYTES else value)


def _event(step: int, content: bytes) -> bytes:
    return _field(1, FIXED64, struct.pack("<d", time.time())) + _field(2, VARINT, _varint(step)) + content


def _value(tag: str, content: bytes) -> bytes:
    """Event.summary with one Summary.Value."""
    return _field(5, BYTES, _field(1, BYTES, _field(1, BYTES, tag.encode()) + content))


class EventWriter:
    """A new event file in `folder`. `step` is where the run begins: what was written from there on is forgotten."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 1000:016d}.{socket.gethostname()}.{os.getpid()}"
        self._file = open(folder / name, "wb")
        self._write(_event(0, _field(3, BYTES, b"brain.Event:2")))
        if step:
            self._write(_event(step, _field(7, BYTES, _field(1, VARINT, _varint(1)))))  # session_log: START

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event)))
        self._file.flush()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        for tag, value in values.items():
            self._write(_event(step, _value(tag, _field(2, FIXED32, struct.pack("<f", value)))))

    def image(self, step: int, tag: str, pixels: np.ndarray) -> None:
        """`pixels` uint8 [h, w, 3]."""
        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG")
        height, width, channels = pixels.shape
        parts = [_field(i + 1, VARINT, _varint(n)) for i, n in enumerate((height, width, channels))]
        self._write(_event(step, _value(tag, _field(4, BYTES, b"".join(parts) + _field(4, BYTES, encoded.getvalue())))))

    def close(self) -> None:
        self._file.close()
