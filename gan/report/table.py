"""The tables that compare the models of a folder, each between two marks of a Markdown file.

<!-- models -->   <!-- /models -->     one line for each: a strip of samples, what it is, its distance
<!-- figures -->  <!-- /figures -->    everything that was measured
<!-- presets -->  <!-- /presets -->    the presets that a training may begin with
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gan import run
from gan.data_record import UNKNOWN
from gan.files import atomic_path, read_text, write_text
from gan.history import read_history
from gan.metrics.figures import FIGURES, FINEST, FRECHET, Figure
from gan.metrics.results import main_result, read_metrics
from gan.models import parameter_counts
from gan.presets import PRESETS
from gan.report import facts
from gan.sampling import image_grid, sample
from gan.weights import load_generator, weights_hash

log = logging.getLogger(__name__)

STRIP_SEEDS = range(8)
SEEN = "\\*"  # beside a figure of a model that was trained on the pictures that judge it
STRIP_HEIGHT = 64  # pixels; smaller pictures are enlarged by a whole factor


@dataclass(frozen=True)
class Model:
    """A model folder as a table shows it.

    Attributes:
        folder: where it lies.
        info: of its config.json.
        last: the last row of its history, with "seconds" and "images_seen".
        results: of metrics.json, by size, as far as they are of these weights.
    """

    folder: Path
    info: run.RunInfo
    last: dict
    results: dict[str, dict]

    @property
    def main(self) -> dict | None:
        """The result that it is known by."""
        return main_result(self.results)

    @property
    def size(self) -> int:
        """What that one is of, pixels."""
        return self.main["protocol"]["size"] if self.main else self.info.config.image_size

    @property
    def full(self) -> dict | None:
        """The result at its own size, where that is another one: of what its classifier does not see."""
        found = self.results.get(str(self.info.config.image_size))
        return None if found is self.main else found

    @property
    def extractor(self) -> str:
        """The classifier that its figures were taken with; "" for none."""
        facts = self.main["protocol"].get("extractor") if self.main else None
        return f"{facts['task']} {facts['hash']}" if facts else ""

    def text(self, figure: Figure) -> str:
        """A figure as its line shows it."""
        result = self.full if figure is FINEST and self.full else self.main
        if not result:
            return ""
        size = f" at {self.info.config.image_size} px" * (result is self.full)
        return figure.text(result["generated"]) + size + SEEN * (figure is FRECHET and saw(result))


def is_current(folder: Path, result: dict) -> bool:
    """Whether a result of metrics.json was measured on the weights that the folder holds."""
    return result["weights"] == weights_hash(folder)


def write_tables(file: Path, models: Path) -> None:
    """Put every table that a Markdown file has marks for between them, and a strip of samples into each model's folder.

    Args:
        file: the strips are linked relative to it.
        models: a folder of model folders.

    Raises:
        gan.run.RunError: a file without marks, or a model folder that cannot be used.
    """
    text = read_text(file)
    marks = {name: (f"<!-- {name} -->", f"<!-- /{name} -->") for name in ("models", "figures", "presets")}
    there = [name for name, (begin, end) in marks.items() if begin in text or end in text]
    for name in there:
        begin, end = marks[name]
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise run.RunError(f"{file} does not say where the table goes: put the lines {begin} and {end} there, once")
    if not there:
        offered = ", ".join(" and ".join(pair) for pair in marks.values())
        raise run.RunError(f"{file} does not say where a table goes: put one of these pairs of lines there: {offered}")
    groups = _grouped(models) if {"models", "figures"} & set(there) else []
    for name in there:
        begin, end = marks[name]
        if name == "presets":
            tables = [_presets()]
        elif name == "models":
            tables = [_overview(groups, file.parent)]
        else:
            tables = [_table(group, file.parent) for group in groups]
        before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
        text = before + "\n" + "\n\n".join(tables) + "\n" + after
    write_text(file, text)


def _grouped(models: Path) -> list[list[Model]]:
    """The models of a folder, those together whose figures were taken with one classifier; largest pictures first."""
    found = [read(folder) for folder in sorted(models.iterdir()) if run.is_run(folder)] if models.is_dir() else []
    if not found:
        raise run.RunError(f"{models} holds no model folder: give the folder of models with --models")
    groups: dict[str, list[Model]] = {}
    for model in sorted(found, key=lambda m: (-m.info.config.image_size, m.folder.name)):
        _write_strip(model.folder)
        groups.setdefault(model.extractor, []).append(model)
    return [groups[name] for name in sorted(groups, key=lambda name: (not name, name))]


def read(folder: Path) -> Model:
    """What there is to show of a model folder.

    Raises:
        gan.run.RunError, gan.metrics.results.MetricError: no history, or a damaged folder or metrics.json.
    """
    history = read_history(folder)
    if not history:
        raise run.RunError(f"{folder} has no history.csv: restore it, or train again")
    measured = read_metrics(folder)
    current = {size: result for size, result in measured.items() if is_current(folder, result)}
    if len(current) < len(measured) or not measured:
        log.warning("%s: no figures of its present weights; python -m gan metrics %s --save", folder.name, folder)
    last = {"seconds": 0.0} | {column: value for column, value in history[-1].items() if value is not None}
    return Model(folder, run.read_info(folder), last, current)


def _table(models: Sequence[Model], beside: Path) -> str:
    """One table: models whose figures were taken with one classifier."""
    main = [figure for figure in FIGURES if any(m.main and figure.key in m.main["generated"] for m in models)]
    # A smaller size at which several were judged makes them comparable.
    sizes = {size for m in models for size in m.results if sum(size in other.results for other in models) > 1}
    common = sorted((s for s in sizes if any(int(s) < m.size for m in models)), key=int)
    common = [size for size in common if any(FRECHET.key in m.results.get(size, {}).get("real", {}) for m in models)]
    heads = ["model", "samples, seeds 0 to 7", "parameters G / D", "images seen", "time"]
    heads += [figure.heading for figure in main] + [f"{FRECHET.heading} at {size} px" for size in common]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    results = [result for m in models for result in (m.main, m.full) if result]
    for size in sorted({result["protocol"]["size"] for result in results}):
        real = next(result["real"] for result in results if result["protocol"]["size"] == size)
        cells = [f"*real pictures, {size} px*", "", "", "", ""] + [figure.text(real) for figure in main]
        cells += [_frechet(models, at, "real") if str(size) == at else "" for at in common]
        lines.append("| " + " | ".join(cells) + " |")
    for model in models:
        lines.append("| " + " | ".join(_cells(model, main, common, beside)) + " |")
    if protocols := [m.main["protocol"] for m in models if m.main]:
        lines += ["", _caption(protocols[0]), *_full_note(models), *_seen_note(models)]
    return "\n".join(lines)


def _cells(model: Model, main: Sequence[Figure], common: Sequence[str], beside: Path) -> list[str]:
    return [
        f"{_link(model, beside)} {model.info.config.image_size} px",
        _strip(model, beside),
        " / ".join(f"{count / 1e6:.2f} M" for count in parameter_counts(model.info.config)),
        f"{model.last['images_seen']:,}",
        f"{facts.duration(model.last['seconds'])}, {model.info.machine}",
        *map(model.text, main),
        *(_frechet([model], size, "generated") + SEEN * saw(model.results.get(size)) for size in common),
    ]


def _overview(groups: Sequence[Sequence[Model]], beside: Path) -> str:
    """One line for each model, for who looks for the first time; of one size the nearest to its data first."""

    def place(model: Model) -> tuple[int, float]:
        figures = model.main["generated"] if model.main else {}
        return -model.info.config.image_size, figures.get(FRECHET.key, float("inf"))

    models = [model for group in groups for model in sorted(group, key=place)]
    heads = ["model", "seeds 0 to 7", "pixels", "what it is", "trained in", FRECHET.heading, "real"]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|---|---|---:|---:|---:|"]
    for model in models:
        config = model.info.config
        kind = "" if model.info.data.kind == UNKNOWN else f"{model.info.data.kind}; "
        cells = [
            _link(model, beside),
            _strip(model, beside),
            f"{config.image_size}",
            f"{kind}{config.source}",
            facts.duration(model.last["seconds"]),
            model.text(FRECHET),
            FRECHET.text(model.main["real"]) if model.main else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_seen_note(models)])


def saw(result: dict | None) -> bool:
    """Whether a model was trained on the pictures that a result judges it by."""
    return result is not None and result["protocol"].get("held_out_seen_by_model", False)


def _seen_note(models: Sequence[Model]) -> list[str]:
    """The lines below a table that explain `SEEN`; [] where no model needs it."""
    seen = any(saw(result) for model in models for result in model.results.values())
    return ["", f"{SEEN} trained also on the pictures that it is judged by, which flatters."] if seen else []


def _full_note(models: Sequence[Model]) -> list[str]:
    """The lines below a table that tell of models that draw more than their classifier sees; [] where there is none."""
    model = next((model for model in models if model.full), None)
    if model is None:
        return []
    protocol = model.full["protocol"]
    return [
        "",
        f"A model of more than {model.size} pixels is judged at {model.size}, reduced as the real pictures were, and "
        f"the finest level of the sliced Wasserstein distance at its own size: {protocol['images']:,} pictures against "
        f"{protocol['held_out']} of {protocol['data']}.",
    ]


def _presets() -> str:
    lines = ["| preset | pictures | generator | critic | epochs | source |", "|---|---|---:|---:|---:|---|"]
    for name, config in PRESETS.items():
        generator, critic = parameter_counts(config)
        size = f"{config.image_size}x{config.image_size}x{config.channels}"
        lines.append(f"| `{name}` | {size} | {generator:,} | {critic:,} | {config.epochs} | {config.source} |")
    return "\n".join(lines)


def _link(model: Model, beside: Path) -> str:
    return f"[{model.folder.name}]({_path(model, beside)}/{run.CARD_FILE})"


def _strip(model: Model, beside: Path) -> str:
    source = f"{_path(model, beside)}/{run.STRIP_FILE}"
    return f'<img src="{source}" alt="eight pictures of {model.folder.name}" height="{STRIP_HEIGHT // 2}">'


def _path(model: Model, beside: Path) -> str:
    return Path(os.path.relpath(model.folder, beside)).as_posix()


def _frechet(models: Sequence[Model], size: str, side: str) -> str:
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
        f"{protocol['held_out']}{features}. Distances: lower is better; real pictures ({facts.real_side(protocol)} "
        "against the same) show what can be had."
    )


def _write_strip(folder: Path) -> None:
    pictures = sample(load_generator(folder), seed=STRIP_SEEDS[0], n=len(STRIP_SEEDS))
    strip = image_grid(pictures, len(STRIP_SEEDS))
    factor = max(1, STRIP_HEIGHT // strip.shape[0])
    strip = np.repeat(np.repeat(strip, factor, axis=0), factor, axis=1)
    picture = Image.fromarray(strip.squeeze(2) if strip.shape[2] == 1 else strip)
    with atomic_path(folder / run.STRIP_FILE) as path:
        picture.save(path, quality=85, method=6)
