"""`python -m gan encoder FOLDER`"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from gan.latent.encoder import Encoder
from gan.latent.encoder_training import DEFAULT_IMAGES, JUDGED_SEEDS, Recipe, encode_for_run
from gan.models import count_parameters
from gan.run import ENCODER_FILE

ABOUT = (
    "Train the network that guesses a picture's latent vector, and write it to its model's folder. "
    "Ctrl-C ends the training and keeps what was learned."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder, like weights/faces64")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--images", type=int, default=DEFAULT_IMAGES, help="generated pictures to see (%(default)s)")
    limit.add_argument("--minutes", type=float, help="train for so long instead")
    about = "a model folder whose encoder to begin with: that of the model which this one has grown from"
    parser.add_argument("--start-from", type=Path, metavar="MODEL", help=about)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))


def execute(options: argparse.Namespace) -> int:
    """Train and write the encoder; returns the exit status."""
    if options.images < 1 or (options.minutes is not None and not 0 < options.minutes < math.inf):
        options.refuse("--images and --minutes: expected a number above 0")
    recipe = Recipe(images=options.images, minutes=options.minutes, seed=options.seed)
    encoder = encode_for_run(
        options.folder, recipe, options.start_from, device=options.device, precision=options.precision
    )
    figures = encoder.facts["figures"]
    print(
        f"{options.folder / ENCODER_FILE}: {count_parameters(Encoder(encoder.config)):,} parameters, "
        f"{encoder.facts['images_seen']:,} images in {encoder.facts['seconds'] / 60:.1f} minutes; "
        f"guesses of {len(JUDGED_SEEDS)} unseen pictures: PSNR {figures['psnr']:.1f} dB, error of z "
        f"{figures['z_error']:.2f}"
    )
    return 0
