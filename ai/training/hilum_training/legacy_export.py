"""Turn a checkpoint into a model package: model.onnx and manifest.yaml.

Weights are stored as float16 and cast to float32 in the graph: half the size, the same arithmetic. The runtime folds
the casts when it loads the model.
"""
import hashlib
import io
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .legacy_data import SIZE
from .errors import TrainingError
from .evaluate import NMS_IOU, answers, held_out_sets, load
from .legacy_judge import Fitted, judge
from .networks.detector import Reader

OPSET = 17
# Small tensors (biases, constants of the decoding) gain nothing from float16, and box arithmetic needs float32.
LEAST_WEIGHTS = 512
MOST_BYTES = 30_000_000
# One device, one UID (PS3.3 C.7.6.1 Device UID, UUID-derived as in PS3.5 B.2): it never changes between versions.
DEVICE_UID = "2.25.225273141696424316717313547574059580302"


def to_onnx(reader: Reader) -> onnx.ModelProto:
    """The graph with float32 weights; `N` is the batch."""
    buffer = io.BytesIO()
    names = ["logit", "boxes", "scores"]
    torch.onnx.export(
        reader, (torch.rand(2, 1, SIZE, SIZE),), buffer, input_names=["image"], output_names=names,
        dynamic_axes={name: {0: "N"} for name in ["image", *names]}, opset_version=OPSET,
    )
    model = onnx.load_from_string(buffer.getvalue())
    for output, shape in zip(model.graph.output, ([1], [50, 4], [50])):
        for dim, size in zip(list(output.type.tensor_type.shape.dim)[1:], shape):
            dim.dim_value = size
    return model


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large float32 initialiser as float16 behind a Cast. @raises TrainingError if a weight overflows."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST_WEIGHTS:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(half).all():
            raise TrainingError(f"weight {tensor.name} does not fit into float16")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def manifest(version: str, digest: str, fitted: Fitted, figures: dict[str, dict]) -> str:
    """manifest.yaml as text: written by hand so that it reads well; JSON is valid YAML where values are computed."""
    return f"""# What the gateway must know to run this model. Written by `hilum_training export`; see MODEL_CARD.md.
name: opacity
version: {version}
sha256: {digest}
licence: "CC-BY-NC-4.0 (trained on SIIM-FISABIO-RSNA 2021, whose terms are non-commercial, and on Kermany 2018, CC BY 4.0)"
intendedUse: "Research use only, not a medical device: points out opacities on frontal chest radiographs, for a radiologist who reads every image. Not for diagnosis, not for ruling disease out."
deviceUid: {DEVICE_UID}
manufacturer: Hilum
input: {{ tensor: image, width: {SIZE}, height: {SIZE}, channels: 1, range: [0, 1], mean: [0], std: [1], fit: stretch }}
task: detection
outputs:
  logit: {{ tensor: logit }}
  boxes: {{ tensor: boxes, format: xyxy, scores: scores, scoreThreshold: {fitted.score}, nmsIou: {NMS_IOU}, maxRegions: 10 }}
labels:
  - {{ name: opacity, positive: true, code: {{ value: "112001", scheme: DCM, meaning: Opacity }} }}
operatingPoint: {{ threshold: {fitted.threshold}, chosenFor: "the best mean of sensitivity + specificity on SIIM and on Kermany, on half of the held-out patients" }}
calibration: {{ method: platt, scale: {fitted.scale:.4f}, offset: {fitted.offset:.4f} }}
applicability: {{ modalities: [CR, DX], views: [PA, AP, ""], ageYears: {{ min: 1, max: 120 }} }}
maxBatch: 8
figures:
  heldOutSiim: {json.dumps(_rounded(figures["siim"]))}
  heldOutKermany: {json.dumps(_rounded(figures["kermany"]))}
"""


def write_check(reader: Reader, images: np.ndarray, folder: Path) -> None:
    """Raw float32 files for check_onnx.mjs: image.bin [n, 1, 256, 256] and PyTorch's logit, boxes, scores."""
    folder.mkdir(parents=True, exist_ok=True)
    x = torch.from_numpy(images).unsqueeze(1).float() / 255
    with torch.no_grad():
        outputs = reader(x)
    for name, value in zip(("image", "logit", "boxes", "scores"), (x, *outputs)):
        value.numpy().astype("<f4").tofile(folder / f"{name}.bin")


def export(a: Namespace) -> None:
    """Write a.out/model.onnx and a.out/manifest.yaml, with figures measured now on the held-out patients."""
    torch.set_num_threads(a.threads)
    out, reader = Path(a.out), load(Path(a.checkpoint))
    content = halve(to_onnx(reader)).SerializeToString()
    if len(content) > MOST_BYTES:
        raise TrainingError(f"the model has {len(content)} bytes, more than {MOST_BYTES}")
    sets = held_out_sets(Path(a.data))
    reader.to(memory_format=torch.channels_last)
    figures, fitted = judge(sets, [answers(reader, s) for s in sets])
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (out / "manifest.yaml").write_text(manifest(a.version, digest, fitted, figures))
    if a.check:
        some = np.concatenate([s.images[:16] for s in sets])
        write_check(reader, some, Path(a.check))
    print(json.dumps({"bytes": len(content), "sha256": digest} | figures, indent=2))
