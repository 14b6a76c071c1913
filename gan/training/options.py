"""train.py's command line."""

from __future__ import annotations

import argparse
import dataclasses
import reprlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from gan.config import FIELDS, HIGHEST
from gan.data_record import DRAWN, KINDS
from gan.models import parameter_counts
from gan.presets import PRESETS

MOST_PREVIEWED = 400
LONGEST_NAME = 255  # bytes, of a file or folder, on all usual file systems

EXAMPLES = """
examples:
  python train.py --preset smooth-mnist28 --data mnist            digits you can read, in minutes
  python train.py --preset nadim-celeba32 --data celeba           small faces
  python train.py --data faces.zip more_faces/ --max-minutes 60   our recipe on your own pictures
  python train.py --data drawn --max-minutes 5                    no download at all
  python train.py --data faces.zip --preview 25                   a sheet of its pictures, and no training
  python train.py --resume runs/faces64 --epochs 100              go on where it stopped
  python train.py --start-from weights/faces64 --data faces/      a trained model, on to your own pictures
  python train.py --start-from runs/mine --grow --data faces/ --out runs/large   the same at twice the size
  python train.py --start-from runs/mine --refine --kind faces --data faces/ --out runs/fine   nearer to its pictures
  torchrun --nproc_per_node=2 train.py --data celeba              two GPUs, or two processes

Pictures are decoded once, into a cache in ~/.cache/gan-faces (or GAN_CACHE) of at most 20 GB (or GAN_CACHE_GB), from
which the least recently used go first. It may be deleted, and may lie on a read-only disk once it is filled.

Ctrl-C finishes the step, saves, and says how to go on. `python app.py` shows a run while it trains.

fields for --set (default preset's values):
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exits with a sentence for options that exclude each other."""
    parser = _Parser(
        prog="train.py",
        description="Train a GAN on pictures and write a model folder that app.py plays with.",
        epilog=EXAMPLES + _field_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what").add_argument
    add("--preset", metavar="P", help="architecture and hyper-parameters (default: faces64, or those of --start-from)")
    add("--list-presets", action="store_true", help="list them and exit")
    add("--data", nargs="+", type=_named("source"), metavar="SOURCE",
        help="one or more of: mnist, celeba (downloaded when absent), drawn or drawn:N (made on the spot), "
        "a folder of pictures, a zip of pictures, hf:OWNER/NAME or hf:OWNER/NAME:SPLIT (a data set of the Hugging Face "
        "Hub; pip install datasets) (default: mnist for the mnist presets, else celeba)")  # fmt: skip
    add("--kind", choices=KINDS, help="what folders and zips show: what named sliders and figures go by")
    add("--terms", type=_terms, metavar="TEXT",
        help="under which terms folders and zips stand: celeba, mnist, or a sentence of your own")  # fmt: skip
    add("--all-splits", action="store_true", default=None,
        help="train on validation and test too, where list_eval_partition.txt lies beside the pictures")  # fmt: skip
    add("--data-root", type=_named("folder"), metavar="DIR", help="where mnist and celeba are or go (default: data)")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the preset; repeatable")
    add("--preview", type=_preview, metavar="N",
        help="write a sheet of the first N pictures, as the critic sees them, to --out or here, and exit")  # fmt: skip
    add("--batch-size", type=_positive(int), help="pictures per step, over all processes")
    add("--seed", type=int, help="decides weights, latents and the order of the pictures")

    add = parser.add_argument_group("where").add_argument
    add("--out", type=_named("folder"), metavar="DIR", help="the model folder (default: runs/PRESET)")
    add("--start-from", type=_named("folder or Hub id"), metavar="MODEL",
        help="begin with the weights of this model folder or Hub id, not random ones")  # fmt: skip
    add("--grow", action="store_true",
        help="with --start-from: pictures of twice the size, new levels on the model's own")  # fmt: skip
    add("--refine", action="store_true",
        help="with --start-from: slowly on, towards the features of real pictures too")  # fmt: skip
    add("--match-data", nargs="+", type=_named("source"), metavar="SOURCE",
        help="pictures whose features it is to come near (default: those of --data)")  # fmt: skip
    add("--resume", type=_named("folder"), metavar="DIR",
        help="go on with the run in this folder: same preset, same data, same options")  # fmt: skip
    add("--new-data", action="store_true",
        help="with --resume: go on with other pictures than before; the card then names both")  # fmt: skip
    add("--overwrite", action="store_true", help="start over where --out already holds a model")
    add("--device", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    add("--precision", choices=("auto", "fp32", "bf16"), help="default: auto, bf16 where the processor computes in it")

    add = parser.add_argument_group("how long").add_argument
    add("--epochs", type=_positive(int), help="passes over the data; with --resume it lifts the --max-images of before")
    add("--max-images", type=_positive(int), help="stop after so many real pictures seen")
    add("--max-minutes", type=_positive(float), help="stop after so much time, this session")

    add = parser.add_argument_group("what it leaves").add_argument
    add("--sample-every", type=_positive(int), metavar="STEPS", help="sample sheets beside the log-spaced ones")
    add("--save-minutes", type=_positive(float), help="time between checkpoints (default: 5)")
    add("--until-input-ends", action="store_true",
        help="stop and save when standard input ends: for programs that start this one, and may be killed")  # fmt: skip
    add("--debug", action="store_true", help="show where in the code an error came from")

    options = parser.parse_args(arguments)
    if options.resume:
        kept = ("preset", "out", "set", "batch_size", "seed", "overwrite", "start_from", "grow", "refine",
                "match_data")  # fmt: skip
        for name in kept:
            if getattr(options, name) != parser.get_default(name):
                flag = "--" + name.replace("_", "-")
                parser.error(f"{flag} does not go with --resume: a resumed run keeps its folder and its config")
    elif options.new_data:
        parser.error("--new-data goes with --resume: a new run takes any --data")
    if options.grow and (not options.start_from or options.preset):
        parser.error("--grow takes a model to grow: give --start-from MODEL, and no --preset")
    if options.refine and (not options.start_from or options.preset or options.grow):
        parser.error("--refine takes a trained model: give --start-from MODEL, and neither --preset nor --grow")
    return options


def preset_table() -> str:
    """One line per preset: size, parameters, epochs, source."""
    lines = [f"{'preset':<20} {'pictures':<11} {'generator':>10} {'critic':>10} {'epochs':>7}  source"]
    for name, config in PRESETS.items():
        generator, critic = parameter_counts(config)
        lines.append(
            f"{name:<20} {f'{config.image_size}x{config.image_size}x{config.channels}':<11} "
            f"{generator:>10,} {critic:>10,} {config.epochs:>7}  {config.source}"
        )
    return "\n".join(lines)


def _terms(text: str) -> str:
    terms = " ".join(text.split())
    if not terms or terms == DRAWN:
        raise argparse.ArgumentTypeError(f"{text!r}: expected celeba, mnist, or a sentence of your own")
    return terms


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message[:400]} (--help lists the options)\n")


def _named(kind: str) -> Callable[[str], str]:
    """A type of argument that a file system could have a name for."""

    def convert(text: str) -> str:
        if not text.strip() or "\0" in text:
            raise argparse.ArgumentTypeError(f"expected a {kind}, got {reprlib.repr(text)}")
        if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in Path(text).parts):
            raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is a longer name than a {kind} can have")
        return text

    return convert


def _preview(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PREVIEWED:
        raise argparse.ArgumentTypeError(f"{text[:20]!r}: expected how many pictures, 1 to {MOST_PREVIEWED}")
    return int(text)


def _positive(kind: type) -> Callable[[str], float]:
    name = {int: "positive whole number", float: "positive number"}[kind]

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not value > 0 or (kind is int and value > HIGHEST):
            raise argparse.ArgumentTypeError(f"invalid {name} value: {reprlib.repr(text)}")
        return value

    return convert


def _field_table() -> str:
    defaults = dataclasses.asdict(PRESETS["faces64"])
    return "\n".join(
        f"  {name:<22} {','.join(map(str, v)) if isinstance(v := defaults[name], tuple) else v}"
        for name in FIELDS
        if name not in ("preset", "source")
    )
