"""Train a GAN: `python train.py --preset smooth-mnist28 --data mnist`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports, which would fail less clearly
    sys.exit(f"GAN Faces needs Python 3.11 or later, and this is {sys.version.split()[0]}: {sys.executable}")

import signal

if __name__ == "__main__":  # Ctrl-C while torch is imported, which takes seconds
    signal.signal(signal.SIGINT, lambda *_: sys.exit("train.py: stopped"))

import argparse
import dataclasses
import logging
import os
import reprlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from gan import errors, run
from gan.config import FIELDS, HIGHEST, PRESET_DATA, PRESETS, GANConfig, get_preset, parse_assignment
from gan.data.images import load_data
from gan.data.sources import absolute
from gan.data_record import DRAWN, KINDS, UNKNOWN, is_built_in
from gan.files import remove_leftovers
from gan.latent import directions
from gan.machine import pick_device
from gan.metrics.classifier import task_of
from gan.metrics.monitor import Monitor
from gan.models import Discriminator, Generator, count_parameters
from gan.report.card import write_card
from gan.terminal import shell_command, steady_output, stoppable
from gan.training.checkpoint import has_checkpoint, load_meta
from gan.training.distributed import process_group
from gan.training.loop import Limits, Outcome, TrainingError, check_out, check_size, train

log = logging.getLogger(__name__)

LONGEST_NAME = 255  # bytes, of a file or folder, on all usual file systems

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

Pictures are decoded once, into a cache in ~/.cache/gan-faces (or GAN_CACHE) of at most 20 GB (or GAN_CACHE_GB), from
which the least recently used go first. It may be deleted, and may lie on a read-only disk once it is filled.

Ctrl-C finishes the step, saves, and says how to go on. `python app.py` shows a run while it trains.

fields for --set (default preset's values):
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0; 1, an error of ours; 2, one to be put right; 128 + signal."""
    with steady_output(), stoppable() as ending:
        options = parse(arguments)
        logging.basicConfig(format="%(message)s", level=logging.INFO)
        if options.list_presets:
            print(preset_table())
            return 0
        try:
            return command(options)
        except (Exception, KeyboardInterrupt) as error:
            if options.debug:
                raise
            ending.set()
            sentence, status = explain(error, options)
            print(f"train.py: {sentence}", file=sys.stderr)
            return status


def command(options: argparse.Namespace) -> int:
    """Train, and make what a trained folder has beside its weights; returns the exit status."""
    with process_group(as_begun(options, begun(options))["device"]) as (rank, world_size):
        if rank > 0:
            logging.disable(logging.WARNING)  # rank 0 says it
        outcome, out = start(options, rank, world_size)
        if rank > 0:
            return 0
        if outcome.reason != "interrupted":
            finish(out)
    print(
        f"{outcome.reason}: {outcome.images_seen:,} images seen in {outcome.seconds / 60:.1f} minutes; "
        f"the model is in {out}"
    )
    if outcome.reason != "finished":
        print(f"go on with: {resume_command(out)}")
    return 0


def explain(error: BaseException, options: argparse.Namespace) -> tuple[str, int]:
    """`gan.errors.explain`, with how to go on."""
    sentence, status = errors.explain(error)
    if isinstance(error, KeyboardInterrupt):
        out = out_of(options)
        go_on = f"go on with: {resume_command(out)}" if out and has_checkpoint(out) else "nothing was trained yet"
        return f"{sentence}; {go_on}", status
    if errors.out_of_memory(error):
        smaller = "begin anew" if options.resume else "try again"
        return (
            f"out of memory ({errors.line(error)}): end other programs, or {smaller} with a lower --batch-size, "
            "or a lower --set base_channels"
        ), status
    return sentence, status


def resume_command(out: Path) -> str:
    """What to type to go on with a run."""
    return shell_command("python", "train.py", "--resume", f"./{out}" if str(out).startswith("-") else out)


def finish(out: Path) -> None:
    """Make what a trained folder lacks: sliders, where a classifier knows such pictures, and then the card.

    May be called again, and does nothing twice: sliders of these weights stay, and the same folder gives the same card.

    Raises:
        gan.run.RunError: a folder that cannot be used, or that another process writes into.
        gan.metrics.judge.MetricError: a damaged metrics.json.
        OSError: the card cannot be written.
    """
    task = task_of(run.read_info(out).data.kind)
    with run.at_work(out):
        remove_leftovers(out)
        _find_sliders(out, task)
        write_card(out)


def _find_sliders(out: Path, task: str | None) -> None:
    """Directions for the page; whatever happens, the model is whole without."""
    try:
        directions.load_directions(out)
        return
    except run.RunError:
        pass  # none, or of other weights
    if task is None:
        log.info("%s finds sliders for the page", shell_command("python", "-m", "gan", "directions", out))
        return
    log.info("finding the sliders of %s: a minute or two", out)
    try:
        directions.find_for_run(out)
    except Exception as error:
        log.warning("%s has no sliders but z: %s: %s", out, type(error).__name__, error)


def start(options: argparse.Namespace, rank: int, world_size: int) -> tuple[Outcome, Path]:
    """Turn the options into a config, pictures and a folder, and train."""
    meta, start_from, out = begun(options), None, out_of(options)
    if options.resume:
        config = run.read_info(out).config
        sources = options.data or meta.get("sources")
        if not sources:
            raise TrainingError(f"{out} was not begun by train.py and does not say where its pictures are: give --data")
    else:
        start_from = run.local_folder(options.start_from) if options.start_from else None
        config = configure(options, start_from)
        out = out or Path("runs") / config.preset
        options.out = str(out)  # for what is said at the end
        check_out(out, options.overwrite)
        sources = options.data or default_data(options.preset, start_from)
    chosen = as_begun(options, meta)
    check_size(config, pick_device(chosen["device"]))
    sources = [absolute(str(source)) for source in sources]
    if (options.kind or options.terms) and all(map(is_built_in, sources)):
        raise TrainingError(f"{' '.join(sources)}: what this is, is known: leave out --kind and --terms")
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
        monitor=Monitor(images, data.kind) if config.metric_interval and rank == 0 else None,
        meta={"sources": sources, **chosen},
        rank=rank,
        world_size=world_size,
    )
    return outcome, out


def out_of(options: argparse.Namespace) -> Path | None:
    """The folder that the options name; None where the preset decides it."""
    named = options.resume or options.out
    return Path(named) if named else None


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
    config = PRESETS["faces64"] if start_from is None else run.read_info(start_from).config
    if options.preset is not None:
        config = get_preset(options.preset)
    if options.grow:
        config = config.grown()
    return config.replace(**changes)


def begun(options: argparse.Namespace) -> dict:
    """What a run that is resumed says of its beginning; {} for a new one.

    Raises:
        gan.run.RunError, gan.training.checkpoint.CheckpointError: no run that can be resumed.
    """
    if not options.resume:
        return {}
    run.read_info(out_of(options))
    return load_meta(out_of(options))


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
    add("--data-root", type=_named("folder"), metavar="DIR", help="where mnist and celeba are or go (default: data)")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the preset; repeatable")
    add("--batch-size", type=_positive(int), help="pictures per step, over all processes")
    add("--seed", type=int, help="decides weights, latents and the order of the pictures")

    add = parser.add_argument_group("where").add_argument
    add("--out", type=_named("folder"), metavar="DIR", help="the model folder (default: runs/PRESET)")
    add("--start-from", type=_named("folder or Hub id"), metavar="MODEL",
        help="begin with the weights of this model folder or Hub id, not random ones")  # fmt: skip
    add(
        "--grow",
        action="store_true",
        help="with --start-from: pictures of twice the size, new levels on the model's own",
    )
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
    add("--debug", action="store_true", help="show where in the code an error came from")

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


if __name__ == "__main__":
    sys.exit(main())
