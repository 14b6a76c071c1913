"""`python -m gan directions FOLDER...`"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan.latent.directions import KINDS, find_for_run
from gan.report.measured import sliders
from gan.run import DIRECTIONS_FILE

ABOUT = "Find what the sliders of a model can be, and write it to its folder."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a model folder, like weights/faces64")


def execute(options: argparse.Namespace) -> int:
    """Find, write and show the directions of each folder; returns the exit status."""
    for folder in options.folders:
        directions = find_for_run(folder)
        kinds = {kind: sum(direction.kind == kind for direction in directions) for kind in KINDS}
        print(f"{folder / DIRECTIONS_FILE}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
        print(sliders(directions))
    return 0
