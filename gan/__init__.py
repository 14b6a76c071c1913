"""GAN Faces: train small GANs on faces and digits, and play with what they learned.

>>> from gan import load_generator, sample
>>> pictures = sample(load_generator("weights/nadim-celeba32"), seed=7, n=16)  # (16, 32, 32, 3) uint8
"""

from gan.config import PRESETS, GANConfig
from gan.sampling import sample
from gan.weights import load_generator

__all__ = ["PRESETS", "GANConfig", "load_generator", "sample"]
__version__ = "0.1.0"
