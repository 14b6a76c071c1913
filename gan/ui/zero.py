"""ZeroGPU, hardware of Hugging Face Spaces that is free for some: a Space there must have a function for the GPU.

The page draws on that machine's processor all the same: one small picture is there before a GPU would be lent, and a
visitor who drags a slider uses up nothing of the time on GPUs that is given to each.
"""

from __future__ import annotations

import importlib.util

import torch


def announce() -> None:
    """Tell ZeroGPU of its function, before the page is launched; does nothing where its package is not installed."""
    if importlib.util.find_spec("spaces") is None:
        return
    import spaces  # after Gradio, which it looks into

    spaces.disable_gradio_auto_wrap()  # it would send every event to a GPU
    spaces.GPU(gpu)


def gpu() -> str:
    """The name of the GPU that is lent. ZeroGPU wants such a function, and nothing calls it."""
    return torch.cuda.get_device_name()
