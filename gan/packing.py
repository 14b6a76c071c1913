"""Convolutions whose weights lie as oneDNN computes with them: the same numbers, a quarter sooner for one picture.

torch lays a convolution's weights out anew in each call. For a whole batch that is nothing; for the one picture of a
slider's step it takes as long as the smallest maps' layers themselves. The operations that take weights laid out before
are those that torch.compile uses; they are no public ones, so that what is drawn with them is compared once.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor, nn

from gan.convolution import Conv2d, ConvTranspose2d

_TOLERANCE = 1e-4  # between numbers of about 1; a pixel's step is 8e-3


class _Laid:
    """A weight as oneDNN lays it out, once it was needed; torch cannot copy it, so a layer's copy lays out its own."""

    weight: Tensor | None = None

    def __deepcopy__(self, memo: dict) -> _Laid:
        return _Laid()


class PackedConv2d(nn.Conv2d):
    """A convolution for inference: its weight stays as it is from the first picture on."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, out_channels, H', W')."""
        if not _is_plain(self, x):
            return super().forward(x)
        where = self.padding, self.stride, self.dilation, self.groups
        if self.laid.weight is None:
            self.laid.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *where, x.shape)
        return torch.ops.mkldnn._convolution_pointwise(x, self.laid.weight, self.bias, *where, "none", [], "")


class PackedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed one, likewise."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, out_channels, H', W')."""
        if not _is_plain(self, x):
            return super().forward(x)
        where = self.padding, self.output_padding, self.stride, self.dilation, self.groups
        if self.laid.weight is None:
            self.laid.weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(self.weight, *where, x.shape)
        return torch.ops.mkldnn._convolution_transpose_pointwise(x, self.laid.weight, self.bias, *where, "none", [], "")


_PACKED = {
    Conv2d: PackedConv2d,
    nn.Conv2d: PackedConv2d,
    ConvTranspose2d: PackedConvTranspose2d,
    nn.ConvTranspose2d: PackedConvTranspose2d,
}


def pack(network: nn.Module, *inputs: Tensor) -> nn.Module:
    """The network itself, which from now on draws or judges one picture sooner; its weights must not change any more.

    Gradients go through it as before. Nothing changes in bfloat16, on other processors than x86, and where torch has no
    such operations or they give other numbers.

    Args:
        network: in eval mode, on the CPU.
        inputs: what it is tried with.
    """
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return network
    plain = {layer: type(layer) for layer in network.modules() if type(layer) in _PACKED}
    with torch.inference_mode():
        wanted = network(*inputs)
        for layer, kind in plain.items():
            layer.laid, layer.__class__ = _Laid(), _PACKED[kind]
        try:
            same = torch.allclose(network(*inputs), wanted, rtol=_TOLERANCE, atol=_TOLERANCE)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):  # a torch that has others
            same = False
    if not same:
        for layer, kind in plain.items():
            layer.__class__ = kind
    return network


def _is_plain(layer: nn.Module, x: Tensor) -> bool:
    return x.is_cpu and x.dtype == layer.weight.dtype == torch.float32 and not torch.is_grad_enabled()
