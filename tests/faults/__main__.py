"""`python -m tests.faults [NAME ...]`: make the faults, and print fault | tries | must be | was."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in tests/conftest.py, and before torch is imported

from tests import faults
from tests.faults import Row

HEAD = ["| fault | tries | must be | was |", "|---|---:|---|---|"]
ABOUT = """# Faults

Each row is a fault that is made on purpose, so many times, and what came of it. Written by
`python -m tests.faults --write docs/faults.md`; with names, only their rows are made anew.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 1 where a row is not as it must be."""
    names = [module.name for module in pkgutil.iter_modules(faults.__path__) if module.name != "__main__"]
    options = parse(arguments, names)
    print("\n".join(HEAD), flush=True)
    rows = []
    for name in options.names or names:
        rows.append(attempt(importlib.import_module(f"tests.faults.{name}"), options.tries, options.seed))
        print(line(rows[-1]), flush=True)
    for row in rows:
        if not row.passed:
            print(f"\n{row.fault}: {row.was}", *row.failures, sep="\n")
    if options.write:
        known = [importlib.import_module(f"tests.faults.{name}").FAULT for name in names]
        write(options.write, rows, known)
    return 0 if all(row.passed for row in rows) else 1


def attempt(module: ModuleType, tries: int | None, seed: int) -> Row:
    """The row of one module; one that fails as a whole is a row that says so."""
    try:
        return module.run(module.TRIES if tries is None else tries, seed)
    except Exception:
        row = Row(module.FAULT, module.MUST_BE)
        row.fail(f"seed {seed}:\n{traceback.format_exc()}")
        return row


def line(row: Row) -> str:
    """A row of the Markdown table."""
    cells = (row.fault, f"{row.tries:,}", row.must_be, row.was)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def write(path: Path, rows: Iterable[Row], known: Sequence[str]) -> None:
    """Put rows into a file of the table, and keep its other rows as far as their fault is still `known`."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = {text_line.removeprefix("| ").split(" | ")[0]: text_line for text_line in text.splitlines()}
    kept |= {(made := line(row)).removeprefix("| ").split(" | ")[0]: made for row in rows}
    escaped = [fault.replace("|", "\\|") for fault in known]
    lines = HEAD + [kept[fault] for fault in escaped if fault in kept]
    path.write_text(ABOUT + "\n".join(lines) + "\n", encoding="utf-8")


def parse(arguments: Sequence[str] | None, names: Sequence[str]) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Make faults on purpose, and tell what came of them."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(names)} (default: all)")
    parser.add_argument("--tries", type=int, metavar="N", help="for each (default: as many as each asks for)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="other faults of the same kind (%(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the rows into a Markdown file too")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no fault called {', '.join(unknown)}: there are {', '.join(names) or 'none'}")
    return options


if __name__ == "__main__":
    sys.exit(main())
