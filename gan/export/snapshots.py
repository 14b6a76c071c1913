"""A run's snapshots for the browser: of each only its numbers, which take the places of the generator's in its file.

The generators of a run are one graph. So a snapshot's file holds what differs: the bytes of some tensors, one after
another. model.json names their places in the generator's ONNX file; with a snapshot's bytes there it is the snapshot's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from gan.history import read_history, snapshots
from gan.run import RunError

_HALF = ".half"  # at the end of the name of a tensor that is stored in float16


@dataclass(frozen=True)
class Place:
    """Where some of a network's numbers lie in its ONNX file.

    Attributes:
        name: in the network's state.
        at: the first byte.
        kind: of the numbers.
        count: of them.
    """

    name: str
    at: int
    kind: np.dtype
    count: int

    @property
    def bytes(self) -> int:
        """Its length."""
        return self.count * self.kind.itemsize


def places(content: bytes, network: nn.Module) -> list[Place]:
    """Where a network's own numbers lie in the file that was written of it, in order."""
    import onnx

    own, found, at = network.state_dict(), [], 0
    for tensor in onnx.load_from_string(content).graph.initializer:
        written = tensor.SerializeToString(deterministic=True)
        at = content.index(written, at)
        name = tensor.name.removesuffix(_HALF)
        if name in own and own[name].shape == tuple(tensor.dims):
            kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
            found.append(Place(name, at + written.rindex(tensor.raw_data), kind, own[name].numel()))
    return found


def numbers(network: nn.Module, where: list[Place]) -> bytes:
    """What lies in some places, of another network of the same graph, one after another."""
    own = network.state_dict()
    with np.errstate(over="ignore"):  # what is too large for float16 is seen when pictures are compared
        return b"".join(own[place.name].numpy().astype(place.kind).tobytes() for place in where)


def patched(content: bytes, where: list[Place], own: bytes) -> bytes:
    """A file with other numbers in some places; the same in JavaScript: gan/web/engine."""
    changed, taken = bytearray(content), 0
    for place in where:
        changed[place.at : place.at + place.bytes] = own[taken : taken + place.bytes]
        taken += place.bytes
    return bytes(changed)


def kept(folder: Path) -> list[tuple[int, int]]:
    """(number, images seen) of a run's snapshots, by images seen; [] where its history cannot be read."""
    files = snapshots(folder)
    try:
        rows = read_history(folder)
    except RunError:
        return []
    found = [(row["snapshot"], row["images_seen"]) for row in rows if row.get("snapshot") in files]
    return sorted(found, key=lambda pair: pair[1])
