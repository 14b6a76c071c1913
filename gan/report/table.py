"""The table that compares the models of a folder, with a strip of samples for each: for the README."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gan import run
from gan.files import atomic_path, read_text, write_text
from gan.history import read_history
from gan.metrics.figures import FIGURES, FRECHET, Figure
from gan.metrics.judge import read_metrics
from gan.models import Discriminator, Generator, count_parameters
from gan.sampling import image_grid, sample
from gan.weights import load_generator, weights_hash

log = logging.getLogger(__name__)

BEGIN, END = "<!-- models -->", "<!-- /models -->"
STRIP_FILE = run.STRIP_FILE
STRIP_SEEDS = range(8)
STRIP_HEIGHT = 64  # pixels; smaller pictures are enlarged by a whole factor


@dataclass(frozen=True)
class _Model:
    folder: Path
    info: run.RunInfo
    last: dict  # row of the history
    results: dict[str, dict]  # of metrics.json, by size, as far as they are of these weights

    @property
    def own(self) -> dict | None:
        """The result at its own size."""
        return self.results.get(str(self.info.config.image_size))

    @property
    def extractor(self) -> str:
        """The classifier that its figures were taken with; "" for none."""
        protocol = next(iter(self.results.values()), {}).get("protocol", {})
        facts = protocol.get("extractor")
        return f"{facts['task']} {facts['hash']}" if facts else ""


def duration(seconds: float) -> str:
    """Training time in minutes, or in hours from two of them on."""
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def is_current(folder: Path, result: dict) -> bool:
    """Whether a result of metrics.json was measured on the weights that the folder holds."""
    return result["weights"] == weights_hash(folder)


def write_table(readme: Path, models: Path) -> None:
    """Put the table between the two marks of a Markdown file, and a strip of samples into each model's folder.

    Args:
        readme: the file; the strips are linked relative to it.
        models: a folder of model folders.

    Raises:
        gan.run.RunError: a file without the marks, or a model folder that cannot be used.
    """
    text = read_text(readme)
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise run.RunError(f"{readme} does not say where the table goes: put the lines {BEGIN} and {END} there, once")
    found = [_read(folder) for folder in sorted(models.iterdir()) if run.is_run(folder)] if models.is_dir() else []
    if not found:
        raise run.RunError(f"{models} holds no model folder: give the folder of models with --models")
    for model in found:
        _write_strip(model.folder)
    groups: dict[str, list[_Model]] = {}
    for model in found:
        groups.setdefault(model.extractor, []).append(model)
    tables = [_table(groups[name], readme.parent) for name in sorted(groups, key=lambda name: (not name, name))]
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    write_text(readme, before + "\n" + "\n\n".join(tables) + "\n" + after)


def _read(folder: Path) -> _Model:
    history = read_history(folder)
    if not history:
        raise run.RunError(f"{folder} has no history.csv: restore it, or train again")
    measured = read_metrics(folder)
    current = {size: result for size, result in measured.items() if is_current(folder, result)}
    if len(current) < len(measured) or not measured:
        log.warning("%s: no figures of its present weights; python -m gan metrics %s --save", folder.name, folder)
    last = {"seconds": 0.0} | {column: value for column, value in history[-1].items() if value is not None}
    return _Model(folder, run.read_info(folder), last, current)


def _table(models: Sequence[_Model], beside: Path) -> str:
    """One table: models whose figures were taken with one classifier."""
    own = [figure for figure in FIGURES if any(m.own and figure.key in m.own["generated"] for m in models)]
    # A smaller size at which several were judged makes them comparable.
    sizes = {size for m in models for size in m.results if sum(size in other.results for other in models) > 1}
    common = sorted((s for s in sizes if any(int(s) < m.info.config.image_size for m in models)), key=int)
    common = [size for size in common if any(FRECHET.key in m.results.get(size, {}).get("real", {}) for m in models)]
    heads = ["model", "samples, seeds 0 to 7", "parameters G / D", "images seen", "time"]
    heads += [figure.heading for figure in own] + [f"{FRECHET.heading} at {size} px" for size in common]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for size in sorted({m.info.config.image_size for m in models if m.own}):
        real = next(m.own["real"] for m in models if m.own and m.info.config.image_size == size)
        cells = [f"*real pictures, {size} px*", "", "", "", ""] + [figure.text(real) for figure in own]
        cells += [_frechet(models, at, "real") if str(size) == at else "" for at in common]
        lines.append("| " + " | ".join(cells) + " |")
    for model in sorted(models, key=lambda m: (-m.info.config.image_size, m.folder.name)):
        lines.append("| " + " | ".join(_cells(model, own, common, beside)) + " |")
    protocols = [m.own["protocol"] for m in models if m.own]
    if protocols:
        lines += ["", _caption(protocols[0])]
    return "\n".join(lines)


def _cells(model: _Model, own: Sequence[Figure], common: Sequence[str], beside: Path) -> list[str]:
    config = model.info.config
    link = Path(os.path.relpath(model.folder, beside)).as_posix()
    figures = model.own["generated"] if model.own else {}
    return [
        f"[{model.folder.name}]({link}/README.md) {config.image_size} px",
        f'<img src="{link}/{STRIP_FILE}" alt="eight pictures of {model.folder.name}" height="{STRIP_HEIGHT // 2}">',
        f"{count_parameters(Generator(config)) / 1e6:.2f} M / {count_parameters(Discriminator(config)) / 1e6:.2f} M",
        f"{model.last['images_seen']:,}",
        f"{duration(model.last['seconds'])}, {model.info.machine}",
        *(figure.text(figures) for figure in own),
        *(_frechet([model], size, "generated") for size in common),
    ]


def _frechet(models: Sequence[_Model], size: str, side: str) -> str:
    values = (FRECHET.text(m.results[size][side]) for m in models if size in m.results)
    return next(filter(None, values), "")


def _caption(protocol: dict) -> str:
    extractor = protocol.get("extractor")
    features = (
        f"; Fréchet, kernel, precision and recall in the features of the {extractor['task']} classifier "
        f"{extractor['hash']}, which is not FID"
        if extractor
        else ""
    )
    return (
        f"{protocol['images']:,} pictures, seeds {protocol['seeds']}, truncation {protocol['truncation']:g}, against "
        f"{protocol['held_out']}{features}. Distances: lower is better; real pictures show what can be had."
    )


def _write_strip(folder: Path) -> None:
    pictures = sample(load_generator(folder), seed=STRIP_SEEDS[0], n=len(STRIP_SEEDS))
    strip = image_grid(pictures, len(STRIP_SEEDS))
    factor = max(1, STRIP_HEIGHT // strip.shape[0])
    strip = np.repeat(np.repeat(strip, factor, axis=0), factor, axis=1)
    picture = Image.fromarray(strip.squeeze(2) if strip.shape[2] == 1 else strip)
    with atomic_path(folder / STRIP_FILE) as path:
        picture.save(path, quality=85, method=6)
