"""Smaller files of the same graph: weights kept as float16 or as 8-bit integers, and computed with in float32.

The runtime unfolds the weights once, when it loads the model: what is saved is the size of the file, not time.
"""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ..errors import TrainingError

# Small tensors (biases, constants of the decoding) gain nothing, and box arithmetic needs float32.
LEAST_WEIGHTS = 512
VARIANTS = ("float32", "fp16", "int8")

# New initialisers, and the nodes that make of them the tensor that the graph reads.
Replacement = tuple[list[TensorProto], list[NodeProto]]


def _half(name: str, weights: np.ndarray, _: int) -> Replacement:
    half = weights.astype(np.float16)
    if not np.isfinite(half).all():
        raise TrainingError(f"weight {name} does not fit into float16; export with --variant float32")
    cast = helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT)
    return [numpy_helper.from_array(half, f"{name}.half")], [cast]


def _eighth(name: str, weights: np.ndarray, axis: int) -> Replacement:
    """One scale for each output channel (`axis`), symmetric: -127 to 127.

    Cast and Mul, not DequantizeLinear: the runtime folds those two when it loads the model, but keeps the third for
    integer kernels, runs it again for every image, and then has no fast layout for the convolution behind it.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scale = np.maximum(np.abs(weights).max(others, keepdims=True) / 127, 1e-12).astype(np.float32)
    whole = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    cast = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.whole"], f"{name}.cast", to=TensorProto.FLOAT)
    scaled = helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [name], f"{name}.scaled")
    return [numpy_helper.from_array(whole, f"{name}.int8"), numpy_helper.from_array(scale, f"{name}.scale")], [
        cast,
        scaled,
    ]


def _channel_axis(graph: onnx.GraphProto, name: str) -> int:
    """Which axis of a weight counts the outputs of the node that reads it."""
    for node in graph.node:
        if name in node.input:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            return 1 if node.op_type in ("Gemm", "MatMul") and not transposed else 0
    return 0


MAKERS: dict[str, Callable[[str, np.ndarray, int], Replacement]] = {"fp16": _half, "int8": _eighth}


def shrink(model: onnx.ModelProto, variant: str) -> onnx.ModelProto:
    """A copy with every large float32 weight stored as the variant says.

    @raises TrainingError if a weight does not fit
    """
    shrunk = onnx.ModelProto()
    shrunk.CopyFrom(model)
    if variant == "float32":
        return shrunk
    kept: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or np.prod(tensor.dims) < LEAST_WEIGHTS:
            kept.append(tensor)
            continue
        weights = numpy_helper.to_array(tensor)
        added, makers = MAKERS[variant](tensor.name, weights, _channel_axis(model.graph, tensor.name))
        kept += added
        nodes += makers
    del shrunk.graph.initializer[:], shrunk.graph.node[:]
    shrunk.graph.initializer.extend(kept)
    shrunk.graph.node.extend([*nodes, *model.graph.node])
    onnx.checker.check_model(shrunk, full_check=True)
    return shrunk
