"""A network -> ONNX, in as few bytes as it can be without doing anything else than in PyTorch."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from gan.errors import GanError

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSET = 20
# How far a file may be from PyTorch at most, by what is compared.
MOST = {
    "grey_levels": 1.0,  # of 255: of any pixel
    "score": 1 / 255,
    "probability": 1 / 255,
    "gradient": 0.1,  # of its own length, of any seed: it leads a search, and what is found is judged by itself
}
_HALVED = 256  # numbers of a tensor, from which on it is stored in float16: the smaller ones cost nothing
_WORTH = 0.75  # of the whole file's bytes: what is float16 in part has at most so many, or is not worth comparing
_BATCH = 20  # pictures at a time


class ExportError(GanError):
    """A model that cannot be exported; the message says why, and what to do."""


@dataclass(frozen=True)
class Part:
    """One network on its way into a file.

    Attributes:
        network: takes and gives tensors whose first dimension is that of the pictures.
        inputs, outputs: their names.
        example: inputs of two pictures.
        apart: how far what a session gives is from PyTorch, by keys of `MOST`.
        note: more that model.json says of it.
    """

    network: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: tuple[Tensor, ...]
    apart: Callable[[Callable[..., list[Tensor]]], dict[str, float]]
    note: dict = field(default_factory=dict)


def check_libraries() -> None:
    """Raises `ExportError` where something is not installed that `written` takes; imports none of it."""
    for library in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(library) is None:
            raise ExportError(
                f"{library} is not installed, which writing a model for the browser takes: "
                "`pip install onnx onnxscript onnxruntime`"
            )


def in_parts(network: Callable[..., Tensor | tuple[Tensor, ...]], *inputs: Tensor) -> list[Tensor]:
    """A network's outputs, some pictures at a time."""
    found = []
    for part in zip(*(tensor.split(_BATCH) for tensor in inputs), strict=True):
        outputs = network(*part)
        found.append(outputs if isinstance(outputs, (tuple, list)) else (outputs,))
    return [torch.cat(output) for output in zip(*found, strict=True)]


def greatest(difference: Tensor) -> float:
    """The greatest of some differences; NaN where one of them is."""
    return float(difference.abs().max())


def grey_levels(a: Tensor, b: Tensor) -> float:
    """The greatest difference between pictures in [-1, 1]."""
    return greatest(a - b) * 127.5


def written(what: str, part: Part) -> tuple[bytes, str, dict[str, float]]:
    """A network as ONNX, in float16 where that is near enough; else where it is exact, and saves a good part of it.

    Args:
        what: its name in an error.

    Returns:
        The file, "float16", "float16 in part" or "float32", and how far it is apart.

    Raises:
        ExportError: it is farther apart than `MOST`.
    """
    whole = converted(part)
    kinds = {
        "float16": lambda: halved(whole),
        "float16 in part": lambda: halved(whole, lossless=True),  # what folding has changed is no float16 any more
        "float32": lambda: whole,
    }
    for weights, made in kinds.items():
        content = made().SerializeToString(deterministic=True)
        if weights == "float16 in part" and len(content) > _WORTH * whole.ByteSize():
            continue
        apart = part.apart(session_of(content))
        if all(difference <= MOST[kind] for kind, difference in apart.items()):  # NaN is not
            return content, weights, apart
    raise ExportError(
        f"{what} would not do in the browser what it does here, from which it is {in_words(apart)} apart "
        f"(at most {in_words({kind: MOST[kind] for kind in apart})}): nothing was written; another version of torch or "
        "onnxscript may do better"
    )


def in_words(apart: dict[str, float]) -> str:
    """Like "0.4 grey levels, 0.05 gradient"."""
    return ", ".join(f"{difference:.3g} {kind.replace('_', ' ')}" for kind, difference in apart.items())


def converted(part: Part) -> ModelProto:
    """The network in ONNX, float32, any number of pictures at a time; nothing of this machine is in it."""
    pictures = {0: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the converter's own, of what its next version will do
        program = torch.onnx.export(
            part.network.eval(),
            part.example,
            dynamo=True,
            dynamic_shapes=tuple(pictures for _ in part.example),
            input_names=part.inputs,
            output_names=part.outputs,
            opset_version=_OPSET,
            verbose=False,
        )
    model = program.model_proto
    model.producer_name, model.producer_version, model.graph.name = "gan", "", "gan"
    del model.graph.value_info[:]
    for thing in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output,
                  *model.graph.initializer):  # fmt: skip
        thing.doc_string = ""
        del thing.metadata_props[:]  # where in which file of Python each operation was
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model


def halved(model: ModelProto, lossless: bool = False) -> ModelProto:
    """A copy whose larger tensors are stored in float16; sessions make them float32 once, when they begin.

    Args:
        lossless: only those that are the same numbers afterwards.
    """
    import onnx
    from onnx import numpy_helper

    small = onnx.ModelProto()
    small.CopyFrom(model)
    casts = []
    for tensor in small.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _HALVED:
            continue
        name, stored, numbers = tensor.name, f"{tensor.name}.half", numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is seen when it is compared
            half = numbers.astype(np.float16)
        if lossless and not np.array_equal(half.astype(np.float32), numbers):
            continue
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], f"{name}.whole", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *small.graph.node]
    del small.graph.node[:]
    small.graph.node.extend(nodes)
    return small


def session_of(content: bytes) -> Callable[..., list[Tensor]]:
    """What runs an ONNX file: tensors in its inputs' order -> its outputs, some pictures at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [wanted.name for wanted in session.get_inputs()]

    def draw(*inputs: Tensor) -> list[Tensor]:
        arrays = {name: tensor.detach().contiguous().numpy() for name, tensor in zip(names, inputs, strict=True)}
        return list(map(torch.from_numpy, session.run(None, arrays)))

    return functools.partial(in_parts, draw)
