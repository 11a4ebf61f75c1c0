"""Stores DICOM files as metadata and bulk data with pydicom, retrieves them, and compares (PS3.18 10.5.1.4).

usage: stow_metadata.py SERVICE_ROOT FILE...; prints a line of JSON for each file.
"""
import email.parser
import email.policy
import io
import json
import sys
import urllib.request

import pydicom
from pydicom.encaps import generate_pixel_data_frame

JPEG = "1.2.840.10008.1.2.4."
TYPES = {JPEG + "50": "image/jpeg", JPEG + "51": "image/jpeg", JPEG + "57": "image/jpeg", JPEG + "70": "image/jpeg", JPEG + "80": "image/jls", JPEG + "81": "image/jls", JPEG + "90": "image/jp2", JPEG + "91": "image/jp2", "1.2.840.10008.1.2.5": "image/dicom-rle"}


def frames_of(ds):
    if "PixelData" not in ds:
        return []
    if not ds.file_meta.TransferSyntaxUID.is_compressed:
        return [ds.PixelData]
    return list(generate_pixel_data_frame(ds.PixelData, int(getattr(ds, "NumberOfFrames", 1) or 1)))


def parts_of(ds):
    bulk = []

    def leave_out(element):
        if element.tag == 0x7FE00010:
            syntax = ds.file_meta.TransferSyntaxUID
            type_ = "%s; transfer-syntax=%s" % (TYPES[syntax], syntax) if syntax.is_compressed else "application/octet-stream"
            bulk.extend(("uuid:pixels", type_, frame) for frame in frames_of(ds))
            return "uuid:pixels"
        uri = "uuid:%08x-%d" % (element.tag, len(bulk))
        bulk.append((uri, "application/octet-stream", element.value))
        return uri

    return ds.to_json_dict(bulk_data_threshold=64, bulk_data_element_handler=leave_out), bulk


def store(root, metadata, bulk):
    body = io.BytesIO()
    body.write(b"--limit\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps([metadata]).encode())
    for uri, type_, value in bulk:
        body.write(("\r\n--limit\r\nContent-Type: %s\r\nContent-Location: %s\r\n\r\n" % (type_, uri)).encode() + value)
    body.write(b"\r\n--limit--\r\n")
    headers = {"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=limit', "Accept": "application/dicom+json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(root + "/studies", body.getvalue(), headers)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def retrieve(url):
    request = urllib.request.Request(url, headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    with urllib.request.urlopen(request) as response:
        head = "Content-Type: %s\r\n\r\n" % response.headers["Content-Type"]
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head.encode() + response.read())
    (part,) = message.iter_parts()
    return pydicom.dcmread(io.BytesIO(part.get_payload(decode=True)))


def without_pixels(ds):
    values = {tag: value for tag, value in ds.to_json_dict(bulk_data_threshold=10 ** 9).items() if tag not in ("7FE00010", "00080005") and not tag.endswith("0000")}
    return json.loads(json.dumps(values))


for path in sys.argv[2:]:
    original = pydicom.dcmread(path)
    metadata, bulk = parts_of(original)
    status, answer = store(sys.argv[1], metadata, bulk)
    line = {"file": path.rsplit("/", 1)[-1], "status": status, "answer": answer}
    if status in (200, 202):
        stored = retrieve(answer["00081199"]["Value"][0]["00081190"]["Value"][0])
        ours, theirs = without_pixels(stored), without_pixels(original)
        line["differing"] = sorted(tag for tag in set(ours) | set(theirs) if ours.get(tag) != theirs.get(tag))
        pad = lambda frames: [frame + b"\0" * (len(frame) % 2) for frame in frames]
        line["samePixels"] = pad(frames_of(stored)) == pad(frames_of(original))
        line["sameSyntax"] = stored.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    print(json.dumps(line))
