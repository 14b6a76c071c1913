"""Train a GAN: `python train.py --preset smooth-mnist28 --data mnist`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports, which would fail less clearly
    sys.exit(f"GAN Faces needs Python 3.11 or later, and this is {sys.version.split()[0]}: {sys.executable}")

import argparse
import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from gan import run
from gan.checkpoint import CheckpointError, load_meta
from gan.config import FIELDS, PRESET_DATA, PRESETS, ConfigError, GANConfig, get_preset, parse_assignment
from gan.data import DataError, load_data
from gan.data_record import DRAWN, KINDS, UNKNOWN, is_built_in
from gan.distributed import process_group
from gan.models import Discriminator, Generator, count_parameters
from gan.sources import absolute
from gan.training import Limits, Outcome, TrainingError, train

EXAMPLES = """
examples:
  python train.py --preset smooth-mnist28 --data mnist            digits you can read, in minutes
  python train.py --preset nadim-celeba32 --data celeba           small faces
  python train.py --data faces.zip more_faces/ --max-minutes 60   our recipe on your own pictures
  python train.py --data drawn --max-minutes 5                    no download at all
  python train.py --resume runs/faces64 --epochs 100              go on where it stopped
  python train.py --start-from weights/faces64 --data faces/      a trained model, on to your own pictures
  python train.py --start-from runs/mine --grow --data faces/ --out runs/large   the same at twice the size
  torchrun --nproc_per_node=2 train.py --data celeba              two GPUs, or two processes

Ctrl-C finishes the step, saves, and says how to go on. `python app.py` shows a run while it trains.

fields for --set (default preset's values):
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    options = parse(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if options.list_presets:
        print(preset_table())
        return 0
    with process_group() as (rank, world_size):
        if rank > 0:
            logging.disable(logging.WARNING)  # rank 0 says it
        try:
            outcome, out = start(options, rank, world_size)
        except (ConfigError, DataError, TrainingError, CheckpointError, run.RunError) as error:
            print(f"train.py: {error}", file=sys.stderr)
            return 2
    if rank == 0:
        print(
            f"{outcome.reason}: {outcome.images_seen:,} images seen in {outcome.seconds / 60:.1f} minutes; "
            f"the model is in {out}"
        )
        if outcome.reason != "finished":
            print(f"go on with: python train.py --resume {out}")
    return 0


def start(options: argparse.Namespace, rank: int, world_size: int) -> tuple[Outcome, Path]:
    """Turn the options into a config, pictures and a folder, and train."""
    start_from = None
    if options.resume:
        out = Path(options.resume)
        config = run.read_info(out).config
        meta = load_meta(out)
        sources = options.data or meta.get("sources")
        if not sources:
            raise TrainingError(f"{out} was not begun by train.py and does not say where its pictures are: give --data")
    else:
        start_from = run.local_folder(options.start_from) if options.start_from else None
        config = configure(options, start_from)
        out = Path(options.out or Path("runs") / config.preset)
        meta = {}
        sources = options.data or default_data(options.preset, start_from)
    sources = [absolute(str(source)) for source in sources]
    if (options.kind or options.terms) and all(map(is_built_in, sources)):
        raise TrainingError(f"{' '.join(sources)}: what this is, is known: leave out --kind and --terms")
    chosen = as_begun(options, meta)
    images, data = load_data(
        sources, kind=chosen["kind"], terms=chosen["terms"], image_size=config.image_size, channels=config.channels,
        data_root=chosen["data_root"],
    )  # fmt: skip
    outcome = train(
        config,
        images,
        out,
        data=data,
        limits=Limits(options.epochs or config.epochs, chosen["max_images"], options.max_minutes),
        device=chosen["device"],
        precision=chosen["precision"],
        resume=bool(options.resume),
        new_data=options.new_data,
        start_from=start_from,
        overwrite=options.overwrite,
        sample_every=chosen["sample_every"],
        save_minutes=chosen["save_minutes"],
        meta={"sources": sources, **chosen},
        rank=rank,
        world_size=world_size,
    )
    return outcome, out


def configure(options: argparse.Namespace, start_from: Path | None = None) -> GANConfig:
    """The preset, or else the config of the model to start from, with the changes that the command line asks for.

    Raises:
        ConfigError: no such preset or field, or a bad value.
        gan.run.RunError: no model folder to start from.
    """
    changes = dict(parse_assignment(text) for text in options.set)
    for name in ("epochs", "batch_size", "seed"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    taken_over = start_from is not None and options.preset is None
    config = run.read_info(start_from).config if taken_over else get_preset(options.preset or "faces64")
    if options.grow:
        config = config.grown()
    return config.replace(**changes)


def as_begun(options: argparse.Namespace, meta: dict) -> dict:
    """The options, and for a resumed run those that it began with (`meta` of its checkpoint) where none are given."""
    usual = {
        "data_root": "data", "kind": UNKNOWN, "terms": "", "device": "auto", "precision": "auto", "max_images": None,
        "sample_every": None, "save_minutes": 5.0,
    }  # fmt: skip
    given = {name: getattr(options, name) for name in usual if getattr(options, name) is not None}
    if options.epochs is not None:
        meta = meta | {"max_images": None}  # another limit takes the place of the old ones
    if options.new_data:
        meta = meta | {"kind": UNKNOWN, "terms": ""}  # these were of the pictures before
    chosen = usual | {name: meta[name] for name in usual if name in meta} | given
    return chosen | {"data_root": os.path.abspath(Path(chosen["data_root"]).expanduser())}


def default_data(preset: str | None, start_from: Path | None = None) -> list[str]:
    """What is trained on when --data is not given: what the model to start from was, or else what the preset's were.

    Raises:
        TrainingError: the model to start from was trained on pictures of which only its owner knows where they are.
    """
    if preset is None and start_from is not None:
        data = run.read_info(start_from).data
        if not all(part.is_built_in for part in data.parts):
            raise TrainingError(f"{start_from} was trained on {data.words}: give --data, these pictures or others")
        return [part.source for part in data.parts]
    return [PRESET_DATA.get(preset, "celeba")]


def preset_table() -> str:
    """One line per preset: size, parameters, epochs, source."""
    lines = [f"{'preset':<20} {'pictures':<11} {'generator':>10} {'critic':>10} {'epochs':>7}  source"]
    for name, config in PRESETS.items():
        lines.append(
            f"{name:<20} {f'{config.image_size}x{config.image_size}x{config.channels}':<11} "
            f"{count_parameters(Generator(config)):>10,} {count_parameters(Discriminator(config)):>10,} "
            f"{config.epochs:>7}  {config.source}"
        )
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exits with a sentence for options that exclude each other."""
    parser = argparse.ArgumentParser(
        description="Train a GAN on pictures and write a model folder that app.py plays with.",
        epilog=EXAMPLES + _field_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what").add_argument
    add("--preset", metavar="P", help="architecture and hyper-parameters (default: faces64, or those of --start-from)")
    add("--list-presets", action="store_true", help="list them and exit")
    add("--data", nargs="+", metavar="SOURCE",
        help="one or more of: mnist, celeba (downloaded when absent), drawn or drawn:N (made on the spot), "
        "a folder of pictures, a zip of pictures (default: mnist for the mnist presets, else celeba)")  # fmt: skip
    add("--kind", choices=KINDS, help="what folders and zips show: what named sliders and figures go by")
    add("--terms", type=_terms, metavar="TEXT",
        help="under which terms folders and zips stand: celeba, mnist, or a sentence of your own")  # fmt: skip
    add("--data-root", metavar="DIR", help="where mnist and celeba are or go (default: data)")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the preset; repeatable")
    add("--batch-size", type=_positive(int), help="pictures per step, over all processes")
    add("--seed", type=int, help="decides weights, latents and the order of the pictures")

    add = parser.add_argument_group("where").add_argument
    add("--out", metavar="DIR", help="the model folder (default: runs/PRESET)")
    add("--start-from", metavar="MODEL",
        help="begin with the weights of this model folder or Hub id, not random ones")  # fmt: skip
    add(
        "--grow",
        action="store_true",
        help="with --start-from: pictures of twice the size, new levels on the model's own",
    )
    add("--resume", metavar="DIR", help="go on with the run in this folder: same preset, same data, same options")
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

    options = parser.parse_args(arguments)
    if options.resume:
        for name in ("preset", "out", "set", "batch_size", "seed", "overwrite", "start_from", "grow"):
            if getattr(options, name) != parser.get_default(name):
                flag = "--" + name.replace("_", "-")
                parser.error(f"{flag} does not go with --resume: a resumed run keeps its folder and its config")
    elif options.new_data:
        parser.error("--new-data goes with --resume: a new run takes any --data")
    if options.grow and (not options.start_from or options.preset):
        parser.error("--grow takes a model to grow: give --start-from MODEL, and no --preset")
    return options


def _terms(text: str) -> str:
    terms = " ".join(text.split())
    if not terms or terms == DRAWN:
        raise argparse.ArgumentTypeError(f"{text!r}: expected celeba, mnist, or a sentence of your own")
    return terms


def _positive(kind: type) -> type:
    def convert(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    convert.__name__ = {int: "positive whole number", float: "positive number"}[kind]
    return convert


def _field_table() -> str:
    defaults = dataclasses.asdict(PRESETS["faces64"])
    return "\n".join(
        f"  {name:<22} {','.join(map(str, v)) if isinstance(v := defaults[name], tuple) else v}"
        for name in FIELDS
        if name not in ("preset", "source")
    )


if __name__ == "__main__":
    sys.exit(main())
