"""From a picture to a first guess of its latent vector: a small network per generator.

    python -m gan.encoder weights/faces64

trains one on pictures that the generator draws, endless and with known latents, and writes it to the folder's
encoder.safetensors (`gan.encoder_training`). No other data is needed. `gan.projection` starts from its guess.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from gan import run
from gan.config import GANConfig

FILE = "encoder.safetensors"
FORMAT_VERSION = 1
WIDTHS = (32, 64, 128, 192)  # channels of its convolutions, as many as halve the picture to 4 pixels or fewer


class Encoder(nn.Module):
    """Picture -> convolutions of stride 2 -> linear -> z.

    Attributes:
        config: of the generator whose latents it guesses.
        facts: what its file says of it: "generator" (hash of the weights it was trained on), "images_seen", "seconds",
            "figures"; empty before it is trained.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        self.facts: dict = {}
        layers: list[nn.Module] = []
        before, size = config.channels, config.image_size
        widths = iter(WIDTHS)
        while size > 4:
            width = next(widths, WIDTHS[-1])
            layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
            before, size = width, size // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * size**2, config.z_dim))

    def forward(self, images: Tensor) -> Tensor:
        """images: (N, C, image_size, image_size) in [-1, 1] -> z: (N, z_dim), within (-1, 1) where z is uniform."""
        z = self.layers(images)
        return z.tanh() if self.config.z_distribution == "uniform" else z


def load_encoder(folder_or_hub_id: str | Path, *, device: str = "cpu") -> Encoder:
    """A model's encoder, in eval mode, without gradients.

    Args:
        folder_or_hub_id: as for `gan.load_generator`.

    Raises:
        gan.run.RunError: no such folder, no encoder in it, a damaged one, or one of another generator: it was trained
            before model.safetensors was last written.
    """
    folder = run.local_folder(folder_or_hub_id)
    encoder = Encoder(run.read_info(folder).config)
    path, again = folder / FILE, f"`python -m gan.encoder {folder}` trains one"
    if not path.is_file():
        raise run.RunError(f"{path} is missing: {again}")
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
        if facts["format_version"] > FORMAT_VERSION:
            raise run.RunError(f"{path} has format {facts['format_version']}: update the code to read it")
        if facts["generator"] != run.weights_hash(folder):
            raise run.RunError(
                f"{path} belongs to generator {facts['generator']}, and the folder now holds another one: {again} anew"
            )
        encoder.load_state_dict(load_file(path))
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, RuntimeError, OSError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise run.RunError(f"{path} cannot be loaded ({reason}): {again} anew") from error
    encoder.facts = facts
    return encoder.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Write an encoder to its generator's folder, weights in float16, `encoder.facts` in the metadata."""
    facts = {"format_version": FORMAT_VERSION, **encoder.facts}
    run.save_tensors(Path(folder) / FILE, run.packed_weights(encoder), facts)


if __name__ == "__main__":
    from gan.encoder_training import main

    sys.exit(main())
