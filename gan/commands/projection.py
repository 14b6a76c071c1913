"""`python -m gan projection FOLDER --data SOURCE...`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image

from gan.data.images import describe_sources
from gan.files import write_text
from gan.latent.encoder import load_encoder
from gan.latent.projection import MAX_STEPS, STEPS
from gan.latent.projection_report import FORMAT_VERSION, IMAGES, measure
from gan.metrics.classifier import classifier_for, judge_for
from gan.metrics.held_out import load_split, saw_held_out
from gan.report.measured import photographs
from gan.run import PROJECTION_FILE, read_info
from gan.weights import load_hashed

ABOUT = "Measure how near held-out pictures, and generated ones fed back, come in a model's latent space."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a model folder, like weights/faces64")
    add("--data", nargs="+", required=True, metavar="SOURCE", help="pictures, as for train.py")
    add("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (default: data)")
    add("--partition", metavar="FILE", help="list_eval_partition.txt (default: beside the pictures)")
    add("--images", type=int, default=IMAGES, help="pictures of each kind (default: %(default)s)")
    add("--steps", type=int, default=STEPS, help="gradient steps (default: %(default)s)")
    add("--json", action="store_true", help="print the figures as JSON instead of a table")
    add("--save", action="store_true", help=f"write them to the folder's {PROJECTION_FILE} too")
    add("--sheet", type=Path, metavar="FILE", help="write a picture: pictures, guesses, results")


def execute(options: argparse.Namespace) -> int:
    """Measure, print, and keep what was measured where that is wanted; returns the exit status."""
    if options.images < 2 or not 0 <= options.steps <= MAX_STEPS:
        options.refuse(f"--images: expected 2 or more; --steps: 0 to {MAX_STEPS}")
    generator, fingerprint = load_hashed(options.folder)
    encoder = load_encoder(options.folder)
    config = generator.config
    classifier, judge = classifier_for(config), judge_for(config)
    split = load_split(
        options.data, size=config.image_size, channels=config.channels, data_root=options.data_root,
        partition=options.partition,
    )  # fmt: skip
    real, _ = split.draw(options.images, seed=0)
    figures, sheet = measure(generator, real, encoder, classifier, judge, options.steps)
    figures = {
        "format_version": FORMAT_VERSION,
        "generator": fingerprint,
        "classifier": classifier.hash,
        "judge": judge.hash,
        "encoder": encoder.facts,
        "data": f"{describe_sources(options.data)}, {split.words}",
        "held_out_seen_by_model": saw_held_out(read_info(options.folder), split),
        **figures,
    }
    print(json.dumps(figures, indent=2) if options.json else photographs(figures))
    if options.save:
        write_text(options.folder / PROJECTION_FILE, json.dumps(figures, indent=2) + "\n")
    if options.sheet:
        Image.fromarray(sheet.squeeze(2) if sheet.shape[2] == 1 else sheet).save(options.sheet)
    return 0
