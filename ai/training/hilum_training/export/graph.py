"""The graph of a reader (judge/readers.py) as ONNX: one input `image` [N, 1, s, s], outputs by the reader's names."""

import io
import warnings

import onnx
import torch
from torch import nn

# 14 brought hard swish; ONNX Runtime reads 17 from 1.12 on.
OPSET = 17


def to_onnx(reader: nn.Module, size: int) -> onnx.ModelProto:
    """Weights in float32; `N` is the batch, every other dimension is fixed."""
    buffer = io.BytesIO()
    image = torch.rand(2, 1, size, size)
    names = list(reader.outputs)
    reader = reader.eval().to(memory_format=torch.contiguous_format)
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every Python number that it fixes: they are fixed, the size of the image is.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            reader,
            (image,),
            buffer,
            input_names=["image"],
            output_names=names,
            opset_version=OPSET,
            dynamic_axes={name: {0: "N"} for name in ["image", *names]},
            do_constant_folding=True,
        )
        shapes = [tuple(value.shape[1:]) for value in reader(image)]
    model = onnx.load_from_string(buffer.getvalue())
    for output, shape in zip(model.graph.output, shapes):
        for dimension, side in zip(list(output.type.tensor_type.shape.dim)[1:], shape):
            dimension.dim_value = side
    onnx.checker.check_model(model, full_check=True)
    return model
