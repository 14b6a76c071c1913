"""Training an encoder on endless pairs of pictures and latents, `python -m gan encoder FOLDER`; judging it."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from tqdm import tqdm

from gan.config import GANConfig
from gan.errors import GanError
from gan.latent.curvature import preconditioner
from gan.latent.encoder import Encoder, load_encoder, save_encoder
from gan.machine import pick_bf16, pick_device
from gan.metrics.classifier import classifier_for
from gan.models import Generator, fold
from gan.run import ENCODER_FILE
from gan.sampling import latents
from gan.terminal import stop_signals
from gan.weights import load_hashed, shapes_of

DEFAULT_IMAGES = 160_000  # 12 minutes at 64x64, on one core that other work shared
_STARTED_RATE = 0.25  # of the learning rate, where an encoder is there to begin with
JUDGED_SEEDS = range(2**32 - 256, 2**32)  # far from those that anybody looks at


class EncoderError(GanError, RuntimeError):
    """An encoder's training that came to nothing; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained."""

    images: int | None = DEFAULT_IMAGES  # generated pictures seen
    minutes: float | None = None  # in the place of `images`
    batch_size: int = 64
    learning_rate: float = 2e-3  # AdamW's, at its highest
    weight_decay: float = 0.01
    warm_up: float = 0.1  # share of the training in which the learning rate rises; then it falls along a cosine
    pixel_weight: float = 2.0  # of the mean squared error of the picture drawn from the guess, against that of z
    seed: int = 0


def train_encoder(
    generator: Generator,
    recipe: Recipe | None = None,
    *,
    start: Encoder | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: bool = True,
) -> Encoder:
    """Train an encoder on (G(z), z) pairs until the recipe's end, SIGINT or SIGTERM.

    The guess is to be near in z, and to draw a similar picture: of that a photograph has something too, although it
    has no z. What the encoder sees is disturbed (`disturb`), the picture that it is to draw is not.

    Args:
        generator: in eval mode.
        start: an encoder of the same shape to begin with; it is left as it is.
        device, precision: as for `gan.training.loop.train`.

    Returns:
        In eval mode, on the CPU; `facts` hold "images_seen" and "seconds". The same generator and recipe give the same
        encoder, where the recipe counts images.

    Raises:
        gan.machine.MachineError: a device or precision that cannot be had.
    """
    recipe = recipe or Recipe()
    torch_device = pick_device(device)
    bf16 = pick_bf16(precision, torch_device)
    config = generator.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        encoder = Encoder(config)
    if start:
        encoder.load_state_dict(start.state_dict())
    encoder = encoder.to(torch_device, memory_format=torch.channels_last).train()
    teacher = fold(generator).to(torch_device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        encoder.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    random = torch.Generator().manual_seed(recipe.seed)
    limit = None if recipe.minutes is not None else recipe.images
    bar = tqdm(
        desc=f"encoder ({torch_device.type}, {'bf16' if bf16 else 'fp32'})", total=limit, unit="img", unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else 30, disable=not progress,
    )  # fmt: skip
    seen, started = 0, time.monotonic()
    with bar, stop_signals() as stop:
        while (done := _share(recipe, seen, started)) < 1 and not stop.is_set():
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _schedule(done, recipe.warm_up)
            z = _draw_latents(config, recipe.batch_size, random).to(torch_device)
            with torch.autocast(torch_device.type, torch.bfloat16, enabled=bf16):
                with torch.no_grad():
                    wanted = teacher(z)
                    shown = disturb(wanted.float(), random)
                guess = encoder(shown).float()
                drawn = teacher(guess)
            loss = (guess - z).square().mean() / z.square().mean()
            loss = loss + recipe.pixel_weight * (drawn - wanted).float().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += recipe.batch_size
            bar.update(recipe.batch_size)
            if seen % (50 * recipe.batch_size) == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    encoder.facts = {"images_seen": seen, "seconds": round(time.monotonic() - started, 1)}
    return encoder.cpu().eval().requires_grad_(False)


def disturb(images: Tensor, random: torch.Generator) -> Tensor:
    """What sets photographs apart from generated pictures: sharpness, noise, light, colour, a crop that is a bit off.

    Args:
        images: (N, C, H, H) in [-1, 1].
        random: CPU generator.

    Returns:
        The same shape and range. A quarter of the pictures is left as it is.
    """
    n, channels, size, _ = images.shape
    device = images.device

    def uniform(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=random) * 2 - 1).to(device)

    # zoomed by up to 4 % and moved by up to 3 %
    turned = torch.zeros(n, 2, 3, device=device)
    zoom = 1 + 0.04 * uniform(n)
    turned[:, 0, 0], turned[:, 1, 1], turned[:, :, 2] = zoom, zoom, 0.06 * uniform(n, 2)
    grid = nn.functional.affine_grid(turned, list(images.shape), align_corners=False)
    changed = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    blurred = interpolate(avg_pool2d(changed, 2, ceil_mode=True), (size, size), mode="bilinear", align_corners=False)
    changed = torch.lerp(changed, blurred, 0.8 * uniform(n, 1, 1, 1).abs())
    # Contrast, brightness and colour of the light only a little: the encoder learns to undo what is done here, and a
    # guess in the colours of the photograph is the better one.
    changed = changed * (1 + 0.04 * uniform(n, 1, 1, 1)) + 0.04 * uniform(n, 1, 1, 1)
    changed = changed + 0.02 * uniform(n, channels, 1, 1)
    noise = torch.randn(images.shape, generator=random).to(device)
    changed = (changed + 0.08 * uniform(n, 1, 1, 1).abs() * noise).clamp(-1, 1)
    left = (torch.arange(n, device=device) % 4 == 0)[:, None, None, None]
    return torch.where(left, images, changed)


@torch.inference_mode()
def judge_encoder(encoder: Encoder, generator: Generator) -> dict[str, float]:
    """How well an encoder finds latents again, on generated pictures that it did not see.

    Returns:
        "z_error": mean squared error of z over z's own mean square; "psnr": mean over pictures of the guesses', dB.
    """
    teacher = fold(generator)
    z = latents(encoder.config, JUDGED_SEEDS)
    wanted = torch.cat([teacher(part) for part in z.split(64)])
    guess = torch.cat([encoder(part) for part in wanted.split(64)])
    drawn = torch.cat([teacher(part) for part in guess.split(64)])
    mse = (drawn - wanted).square().mean(dim=(1, 2, 3))
    return {
        "z_error": round(float((guess - z).square().mean() / z.square().mean()), 4),
        "psnr": round(float((10 * torch.log10(4 / mse.clamp_min(1e-10))).mean()), 2),
    }


def encode_for_run(folder: Path, recipe: Recipe, start_from: Path | None = None, **options: object) -> Encoder:
    """Train and write the encoder of a model folder.

    Args:
        start_from: a model folder whose encoder to begin with.
        options: `device`, `precision` and `progress` of `train_encoder`.

    Raises:
        gan.run.RunError: the folder cannot be used.
        gan.machine.MachineError: a device or precision that cannot be had.
        EncoderError: stopped before the first batch, or an encoder to begin with that has another shape.
    """
    folder = Path(folder)
    generator, fingerprint = load_hashed(folder)
    start = load_encoder(start_from) if start_from else None
    if start and shapes_of(Encoder, start.config) != shapes_of(Encoder, generator.config):
        raise EncoderError(f"{start_from} has an encoder of another shape than {folder} needs: begin with another one")
    if start:
        recipe = replace(recipe, learning_rate=recipe.learning_rate * _STARTED_RATE)
    encoder = train_encoder(generator, recipe, start=start, **options)
    if not encoder.facts["images_seen"]:
        raise EncoderError(f"stopped before the first batch: {folder / ENCODER_FILE} is left as it was")
    encoder.preconditioner = preconditioner(generator, classifier_for(generator.config))
    encoder.facts |= {
        "generator": fingerprint,
        "figures": judge_encoder(encoder, generator),
        "recipe": asdict(recipe),
        **({"start_from": Path(start_from).name} if start_from else {}),
    }
    save_encoder(folder, encoder)
    return encoder


def _share(recipe: Recipe, seen: int, started: float) -> float:
    """How much of the training is done, 0 to 1 and more."""
    if recipe.minutes is not None:
        return (time.monotonic() - started) / (60 * recipe.minutes)
    return seen / recipe.images


def _schedule(done: float, warm_up: float) -> float:
    """The learning rate's factor, 0 to 1, for a share of the training."""
    if done < warm_up:
        return (done + 0.01) / (warm_up + 0.01)
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))


def _draw_latents(config: GANConfig, n: int, random: torch.Generator) -> Tensor:
    if config.z_distribution == "uniform":
        return torch.rand(n, config.z_dim, generator=random) * 2 - 1
    return torch.randn(n, config.z_dim, generator=random)
