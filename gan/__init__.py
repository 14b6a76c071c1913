"""GAN Faces: train small GANs on faces and digits, and play with what they learned.

>>> from gan import load_generator, sample
>>> pictures = sample(load_generator("weights/nadim-celeba32"), seed=7, n=16)  # (16, 32, 32, 3) uint8
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gan.config import GANConfig
    from gan.presets import PRESETS
    from gan.sampling import sample
    from gan.weights import load_generator

__all__ = ["PRESETS", "GANConfig", "load_generator", "sample"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What stands in `__all__`, imported when it is asked for: `python -m gan --help` needs no PyTorch."""
    homes = {"PRESETS": "presets", "GANConfig": "config", "load_generator": "weights", "sample": "sampling"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"gan.{homes[name]}"), name)
