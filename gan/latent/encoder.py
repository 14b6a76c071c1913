"""From a picture to a first guess of its latent vector: a small network per generator.

    python -m gan encoder weights/faces64

trains one on pictures that the generator draws, endless and with known latents, and writes it to the folder's
encoder.safetensors (`gan.latent.encoder_training`). No other data is needed. `gan.latent.projection` starts from its
guess.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gan import run
from gan.config import GANConfig
from gan.files import read_tensors, reason, save_tensors
from gan.hub import local_folder
from gan.terminal import shell_command
from gan.weights import packed_weights, shapes_of, weights_hash

FORMAT_VERSION = 2
WIDTHS = (32, 64, 128, 192)  # channels of its convolutions, as many as halve the picture to 4 pixels or fewer


class Encoder(nn.Module):
    """Picture -> convolutions of stride 2 -> linear -> z.

    That of a grown generator sees the picture at the size below the grown levels, which decide little of z: it may
    begin with the encoder of the model that the generator has grown from.

    Attributes:
        config: of the generator whose latents it guesses.
        preconditioner: (z_dim, z_dim), for a search that begins with its guess: about the inverse Hessian of what
            `gan.latent.projection` minimises, on average over latents (`gan.latent.curvature`); the identity in files
            of format 1.
        facts: what its file says of it: "generator" (hash of the weights it was trained on), "images_seen", "seconds",
            "figures"; empty before it is trained.
    """

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        self.facts: dict = {}
        layers: list[nn.Module] = []
        before, size = config.channels, config.base_size
        widths = iter(WIDTHS)
        while size > 4:
            width = next(widths, WIDTHS[-1])
            layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
            before, size = width, size // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * size**2, config.z_dim))
        self.register_buffer("preconditioner", torch.eye(config.z_dim))

    def forward(self, images: Tensor) -> Tensor:
        """images: (N, C, image_size, image_size) in [-1, 1] -> z: (N, z_dim), within (-1, 1) where z is uniform."""
        if self.config.grown_channels:
            images = avg_pool2d(images, self.config.image_size // self.config.base_size)
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
    folder = local_folder(folder_or_hub_id)
    config = run.read_info(folder).config
    path, again = folder / run.ENCODER_FILE, f"`{shell_command('python', '-m', 'gan', 'encoder', folder)}` trains one"

    def shapes(facts: dict) -> list[dict[str, torch.Size]]:
        if facts["format_version"] > FORMAT_VERSION:
            raise run.RunError(f"{path} has format {facts['format_version']}: update the code to read it")
        without = {"preconditioner"} if facts["format_version"] == 1 else set()
        return [{name: shape for name, shape in shapes_of(Encoder, config).items() if name not in without}]

    try:
        weights, facts = read_tensors(folder, run.ENCODER_FILE, shapes)
        generator = facts["generator"]
    except FileNotFoundError:
        raise run.RunError(f"{path} is missing: {again}") from None
    except run.RunError:
        raise
    except (KeyError, ValueError, OSError) as error:
        raise run.RunError(f"{path} cannot be loaded ({reason(error)}): {again} anew") from error
    if generator != weights_hash(folder):
        raise run.RunError(
            f"{path} belongs to generator {str(generator)[:12]}, and the folder now holds another one: {again} anew"
        )
    encoder = Encoder(config)
    encoder.load_state_dict(encoder.state_dict() | weights)  # format 1 has no preconditioner
    encoder.facts = facts
    return encoder.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Write an encoder to its generator's folder, weights in float16, `encoder.facts` in the metadata."""
    facts = encoder.facts | {"format_version": FORMAT_VERSION}
    save_tensors(Path(folder) / run.ENCODER_FILE, packed_weights(encoder), facts)
