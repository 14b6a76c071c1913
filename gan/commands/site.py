"""`python -m gan site FOLDER [MODEL ...] [--space]`"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from gan.export.site import SiteError, build

ABOUT = "Write the page as a folder for any static host: there is no server, and the visitor's browser draws."
WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("out", type=Path, metavar="FOLDER", help="where to: an empty one, or one that this command wrote before")
    add("models", nargs="*", type=Path, metavar="MODEL", help="model folders (default: all of weights/)")
    add("--space", action="store_true", help="as a static Space of Hugging Face, with the README.md that it wants")


def execute(options: argparse.Namespace) -> int:
    """Write the site; returns the exit status."""
    for library in ("onnx_ir", "onnxscript"):  # each step of their optimising
        logging.getLogger(library).setLevel(logging.WARNING)
    models = options.models or [path.parent for path in sorted(WEIGHTS.glob("*/config.json"))]
    if not models:
        raise SiteError(f"{WEIGHTS} has no model: name model folders, like weights/faces64")
    written = build(options.out, models, space=options.space)
    size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
    print(f"written: {written}, {size / 1e6:.1f} MB; to look at it: python -m http.server -d {written}")
    return 0
