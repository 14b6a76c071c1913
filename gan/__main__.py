"""What is done with model folders: `python -m gan metrics | card | directions | encoder | projection | ...`.

Each command is a module of `gan.commands`, imported when it is asked for, as PyTorch takes seconds to import.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from gan.terminal import steady_output, stoppable

COMMANDS = {
    "metrics": "judge models by real pictures",
    "card": "write model cards again, and the table that compares models",
    "directions": "find the sliders of models",
    "encoder": "train the network that guesses a picture's latent vector",
    "projection": "measure how near pictures come in a model's latent space",
    "classifier": "train one of the project's own classifiers, and judge it",
    "export": "write models for the browser",
    "site": "write the page as a folder for any static host",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0; 1, an error of ours; 2, one to be put right; 128 + signal."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with steady_output(), stoppable() as ending:
        try:
            options = _parse(arguments)
            logging.basicConfig(format="%(message)s", level=logging.INFO)
            return options.execute(options)
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in arguments:
                raise
            ending.set()
            from gan.errors import explain

            sentence, status = explain(error)
            print(f"gan {' '.join(arguments[:1])}: {sentence}", file=sys.stderr)
            return status


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with `execute`, which does what they ask for, and `refuse`, which says how the command is used."""
    parser = argparse.ArgumentParser(
        prog="python -m gan",
        description="What is done with trained models. train.py trains them, app.py is the page that shows them.",
        epilog="python -m gan COMMAND --help says what each takes.",
    )
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in COMMANDS.items():
        wanted = arguments[:1] == [name]
        module = importlib.import_module(f"gan.commands.{name}") if wanted else None
        command = parsers.add_parser(name, help=about, description=module and module.ABOUT)
        if module:
            module.add_options(command)
            command.add_argument("--debug", action="store_true", help="show where an error came from")
            command.set_defaults(execute=module.execute, refuse=command.error)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
