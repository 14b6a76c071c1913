"""Convolutions of small maps, laid side by side in one wide strip: the same numbers, up to three times as fast.

A tile of a processor's matrix unit (AMX) holds 16 rows. It seems to be filled with the pixels of one row of a map:
measured, the gain is largest at 4x4 and gone at 16x16. So the rows of a batch's pictures are put end to end, with
just the zeros between them that padding would put there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan.machine import multiplies_tiles

# Where it pays, measured: rows of 16 lose on a layer's smaller side, and so do layers of 32 channels.
WIDTH = 8
CHANNELS = 64


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` for square kernels, strides and padding; trains on small maps as a strip where that pays."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, out_channels, H', W')."""
        kernel, stride, pad = self.kernel_size[1], self.stride[1], self.padding[1]
        n, width = x.shape[0], x.shape[3]
        out_width = (width + 2 * pad - kernel) // stride + 1
        if not (self.training and _pays(self, x, out_width)):
            return super().forward(x)
        period = -(-(width + 2 * pad) // stride) * stride  # of a picture in the strip; strides stay in step
        # A last column that no kernel reaches would make oneDNN (3.13, bfloat16) read beyond the strip: NaN in the
        # weights' gradient, now and then.
        unread = (n * period - kernel) % stride
        strip = _to_strip(x, (0, 0, pad, period - width - pad, 0, 0, pad, pad), n * period - unread)
        out = F.conv2d(strip, self.weight, self.bias, self.stride)
        return _from_strip(out, n, period // stride, out_width)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d`, likewise; its kernel is at least stride + padding."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) -> (N, out_channels, H', W')."""
        kernel, stride, pad = self.kernel_size[1], self.stride[1], self.padding[1]
        n, width = x.shape[0], x.shape[3]
        if not (self.training and _pays(self, x, width)):
            return super().forward(x)
        out_width = (width - 1) * stride - 2 * pad + kernel + self.output_padding[1]
        # A pixel writes from `pad` before its place to kernel - pad behind: no picture's may reach into another's.
        period = max(-(-(out_width + pad) // stride), -(-((width - 1) * stride - pad + kernel) // stride))
        strip = _to_strip(x, (0, 0, 0, period - width), n * period)
        extra_rows = (self.output_padding[0], 0)
        out = F.conv_transpose2d(strip, self.weight, self.bias, self.stride, self.padding, extra_rows)
        return _from_strip(out, n, period * stride, out_width)


def _pays(layer: Conv2d | ConvTranspose2d, x: Tensor, width: int) -> bool:
    return (
        x.shape[0] > 1
        and width <= WIDTH
        and min(layer.in_channels, layer.out_channels) >= CHANNELS
        and torch.is_autocast_enabled(x.device.type)
        and multiplies_tiles(x.device)
    )


def _to_strip(x: Tensor, padding: tuple[int, ...], length: int) -> Tensor:
    """(N, C, H, W), padded as (H, N, W, C) -> (1, C, H, length), channels_last."""
    padded = F.pad(x.permute(2, 0, 3, 1), padding)
    rows = padded.reshape(padded.shape[0], -1, padded.shape[3])[:, :length].contiguous()
    return rows[None].permute(0, 3, 1, 2)


def _from_strip(strip: Tensor, n: int, period: int, width: int) -> Tensor:
    """The first `width` of each `period` columns: (1, C, H, ~N * period) -> (N, C, H, width), channels_last."""
    rows = strip[0].permute(1, 2, 0)  # (H, ~N * period, C)
    rows = F.pad(rows, (0, 0, 0, n * period - rows.shape[1]))  # the last picture has no neighbour to reach into
    pictures = rows.reshape(rows.shape[0], n, period, -1)[:, :, :width]
    return pictures.permute(1, 3, 0, 2).contiguous(memory_format=torch.channels_last)
