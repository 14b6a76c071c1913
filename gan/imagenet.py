"""The first layers of a network that learned ImageNet's photographs: features that no one chose for faces.

They are EfficientNet-Lite0's (Tan & Le 2019, arXiv:1905.11946), whose weights Google published under the Apache License
2.0. The shipped file, float16, batch norm folded into the convolutions, was made of their PyTorch form:

    python -m gan classifier imagenet --data efficientnet-lite0.pth
"""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gan.errors import GanError
from gan.files import read_tensors, reason, save_tensors

FILE = Path(__file__).resolve().parents[1] / "weights" / "classifiers" / "imagenet.safetensors"
SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
LICENSE = "Apache-2.0"
N_POOLED, N_LOCAL = 256, 112  # features of a whole picture, and of each place in it
STRIDE = 16  # pixels from one place to the next

_FACTS = "imagenet"  # key of the file's metadata
_STEM = 32  # channels
_STAGES = (  # expansion, channels, kernel size, stride, blocks
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
)
_BATCH_NORM_EPS = 1e-3


class ImageNetError(GanError, ValueError):
    """Weights that cannot be used; the message says what is wrong with them, and what to do."""


class ImageNetLayers(nn.Module):
    """EfficientNet-Lite0 up to where its maps are a sixteenth of the picture's size: 690,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        self.stages = nn.ModuleList()
        before = _STEM
        for expansion, width, kernel, stride, repeats in _STAGES:
            blocks = nn.Sequential()
            for i in range(repeats):
                blocks.append(_Block(before, width, expansion, kernel, 1 if i else stride))
                before = width
            self.stages.append(blocks)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is in a picture as a whole, and place by place; differentiable.

        Args:
            images: (N, 3, H, H) in [-1, 1].

        Returns:
            (N, N_POOLED): the means of the maps after four of the stages; and (N, P, N_LOCAL): the last map, P =
            ceil(H / STRIDE)^2.
        """
        x = images.contiguous(memory_format=torch.channels_last) * (127.5 / 128) + 0.5 / 128  # (pixel - 127) / 128
        x = self.stages[0](relu6(self.stem(x)))
        means = []
        for stage in self.stages[1:]:
            x = stage(x)
            means.append(x.mean(dim=(2, 3)))
        return torch.cat(means, dim=1), x.flatten(2).transpose(1, 2)


class _Convolution(nn.Conv2d):
    """TensorFlow's "SAME": as many zeros as it takes, the odd one behind."""

    def __init__(self, before: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, width, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        missing = [
            max(0, (-(-size // step) - 1) * step + kernel - size)
            for size, step, kernel in zip(x.shape[:1:-1], self.stride, self.kernel_size, strict=True)
        ]
        return super().forward(pad(x, [part for zeros in missing for part in (zeros // 2, zeros - zeros // 2)]))


class _Block(nn.Module):
    """Inverted residual: 1x1 convolution to more channels - depthwise - 1x1 to few."""

    def __init__(self, before: int, width: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = _Convolution(before, inner, 1) if expansion > 1 else None
        self.depthwise = _Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _Convolution(inner, width, 1)
        self._residual = stride == 1 and before == width

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else relu6(self.expand(x))
        y = self.project(relu6(self.depthwise(y)))
        return x + y if self._residual else y


def load_imagenet_layers(path: Path | None = None) -> ImageNetLayers:
    """The shipped ones, or another file's: eval mode, no gradients of weights, on the CPU.

    Raises:
        ImageNetError: the file is missing or damaged.
    """
    path = path or FILE
    with torch.device("meta"):
        layers = ImageNetLayers()
    shapes = {name: tensor.shape for name, tensor in layers.state_dict().items()}
    try:
        weights, _ = read_tensors(path.parent, path.name, lambda facts: [shapes], key=_FACTS)
    except FileNotFoundError:
        raise ImageNetError(
            f"{path} is missing: copy it there from weights/classifiers/ of the project's repository"
        ) from None
    except (OSError, ValueError) as error:
        raise ImageNetError(f"{path} cannot be loaded ({reason(error)}): copy it again") from error
    layers.load_state_dict(weights, assign=True)
    return layers.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights in PyTorch, as lukemelas/EfficientNet-PyTorch names them -> `ImageNetLayers`'s.

    Raises:
        KeyError: a layer is missing.
    """
    converted = {}

    def fold(to: str, convolution: str, norm: str) -> None:
        norms = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var"))
        weight, bias = fuse_conv_bn_weights(
            state[f"{convolution}.weight"], None, *norms, _BATCH_NORM_EPS,
            state[f"{norm}.weight"], state[f"{norm}.bias"],
        )  # fmt: skip
        converted[f"{to}.weight"], converted[f"{to}.bias"] = weight.data, bias.data

    fold("stem", "_conv_stem", "_bn0")
    places = [(i, j, stage[0]) for i, stage in enumerate(_STAGES) for j in range(stage[-1])]
    for number, (i, j, expansion) in enumerate(places):
        to, old = f"stages.{i}.{j}", f"_blocks.{number}"
        if expansion > 1:
            fold(f"{to}.expand", f"{old}._expand_conv", f"{old}._bn0")
        fold(f"{to}.depthwise", f"{old}._depthwise_conv", f"{old}._bn1")
        fold(f"{to}.project", f"{old}._project_conv", f"{old}._bn2")
    return converted


def write_imagenet_layers(published: str | Path, path: Path | None = None) -> Path:
    """Make the shipped file, or another, of the published weights in PyTorch; returns where it lies.

    Raises:
        ImageNetError: the published weights cannot be read, or are others.
    """
    path = path or FILE
    try:
        content = Path(published).read_bytes()
        weights = convert(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        ImageNetLayers().load_state_dict(weights)  # a larger EfficientNet has layers of the same names
    except (OSError, KeyError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise ImageNetError(
            f"{published} cannot be loaded ({type(error).__name__}): expected EfficientNet-Lite0's weights in PyTorch, "
            "as lukemelas/EfficientNet-PyTorch names them"
        ) from error
    facts = {"source": SOURCE, "license": LICENSE, "source_sha256": hashlib.sha256(content).hexdigest()}
    save_tensors(path, {name: tensor.half().contiguous() for name, tensor in weights.items()}, facts, key=_FACTS)
    return path
