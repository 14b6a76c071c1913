"""Where bfloat16 pays."""

from __future__ import annotations

import torch


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; a CPU without them emulates it, many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # AMX implies AVX-512 bf16.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def multiplies_tiles(device: torch.device) -> bool:
    """Whether a device is a CPU with AMX, which multiplies tiles of 16 rows in bfloat16."""
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()
