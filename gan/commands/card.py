"""`python -m gan card FOLDER... --table README.md`"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan.report.card import write_card
from gan.report.table import write_table
from gan.run import CARD_FILE

ABOUT = "Write model cards again, and the table that compares the models."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("folders", nargs="*", metavar="FOLDER", help="model folders whose cards to write")
    add("--table", metavar="README.md", help="a file with the two marks, between which the table goes")
    add("--models", default="weights", metavar="DIR", help="of the table (default: weights)")


def execute(options: argparse.Namespace) -> int:
    """Write what is asked for; returns the exit status."""
    if not options.folders and not options.table:
        options.refuse("nothing to do: give model folders, --table README.md, or both")
    for folder in options.folders:
        write_card(Path(folder))
        print(f"written: {Path(folder) / CARD_FILE}")
    if options.table:
        write_table(Path(options.table), Path(options.models))
        print(f"written: the table in {options.table}")
    return 0
