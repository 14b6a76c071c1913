"""`python -m gan card FOLDER... --table README.md --table docs/figures.md`"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan.report.card import write_card
from gan.report.table import write_tables
from gan.run import CARD_FILE

ABOUT = "Write model cards again, and the tables that compare the models."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add = parser.add_argument
    add("folders", nargs="*", metavar="FOLDER", help="model folders whose cards to write")
    about_tables = "a file with marks, between which tables go; repeatable"
    add("--table", action="append", default=[], metavar="README.md", help=about_tables)
    add("--models", default="weights", metavar="DIR", help="of the tables (default: weights)")


def execute(options: argparse.Namespace) -> int:
    """Write what is asked for; returns the exit status."""
    if not options.folders and not options.table:
        options.refuse("nothing to do: give model folders, --table README.md, or both")
    for folder in options.folders:
        write_card(Path(folder))
        print(f"written: {Path(folder) / CARD_FILE}")
    for file in options.table:
        write_tables(Path(file), Path(options.models))
        print(f"written: the tables in {file}")
    return 0
