"""`python -m gan export MODEL... --out FOLDER`"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from gan.export.onnx import FILE, export
from gan.terminal import end_with_input

ABOUT = "Write models for the browser: their networks as ONNX, and what a page has to know of them."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("folders", nargs="+", metavar="MODEL", help="a model folder, like weights/faces64")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="each model gets a folder in it")
    parser.add_argument(
        "--until-input-ends", action="store_true", help="end with what started it, which holds its standard input open"
    )


def execute(options: argparse.Namespace) -> int:
    """Write each model; returns the exit status."""
    if options.until_input_ends:
        end_with_input()
    for library in ("onnx_ir", "onnxscript"):  # each step of their optimising
        logging.getLogger(library).setLevel(logging.WARNING)
    names = [Path(folder).resolve().name for folder in options.folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        options.refuse(f"two of the models are called {twice[0]}: export them into folders of their own")
    for folder in options.folders:
        print(f"written: {export(folder, options.out) / FILE}")
    return 0
