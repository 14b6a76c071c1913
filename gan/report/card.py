"""The model card that a training leaves in its folder: what the model is, how good it is, and how it came to be.

    python -m gan card weights/*              the cards again, after `python -m gan metrics --save`
    python -m gan card --table README.md      and the tables of all models of weights/, between their marks

A card is one page. Beside it stand figures.md, every figure in full, written with it; and notes.md, which a person may
write: what stands above its first heading is put on the card, all of it is linked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gan import run
from gan.data_record import CELEBA
from gan.files import MOST_JSON_BYTES, read_inside, reason, write_text
from gan.history import read_history, samples
from gan.latent.directions import load_directions
from gan.latent.projection_report import read_figures
from gan.metrics.figures import FIGURES
from gan.metrics.results import MetricError, main_result, read_metrics
from gan.report import details, facts, table
from gan.report.progress import write_progress

_HEADING = re.compile(r"^#", re.MULTILINE)
_RARE, _FREQUENT = 0.5, 1.5  # drawn so many times as often as in the data: worth a sentence
_LEAST_SHARE = 0.01  # of the data: rarer attributes are within the classifier's errors


def write_card(folder: Path) -> None:
    """Write README.md, a Hugging Face model card, and figures.md, from the folder's config, history and figures.

    Raises:
        gan.run.RunError, gan.metrics.results.MetricError: a damaged folder or metrics.json.
    """
    folder = Path(folder)
    try:
        results = read_metrics(folder)
        measured = {size: result for size, result in results.items() if table.is_current(folder, result)}
        full = details.text(folder, measured)
        card = _card(folder, measured, outdated=bool(results) and not measured, has_details=bool(full))
    except (KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise MetricError(
            f"{folder / run.METRICS_FILE} lacks what a card is written from ({type(error).__name__} {error}): "
            "measure again with --save"
        ) from error
    if full:
        write_text(folder / run.DETAILS_FILE, full)
    else:
        (folder / run.DETAILS_FILE).unlink(missing_ok=True)
    write_text(folder / run.CARD_FILE, card)


def _card(folder: Path, measured: dict[str, dict], *, outdated: bool, has_details: bool) -> str:
    info = run.read_info(folder)
    config = info.config
    history = read_history(folder)
    if not history:
        raise run.RunError(f"{folder} has no history.csv to write a card from: train it first")
    last = {"epoch": 0.0, "seconds": 0.0} | {key: v for key, v in history[-1].items() if v is not None}
    sheets = samples(folder)
    if not sheets:
        raise run.RunError(f"{folder} has no sample sheet to show on a card: train it first")
    notes, lead = _notes(folder), lead_of(folder)
    made = "\n".join(f"| {name} | {value} |" for name, value in facts.rows(folder, info, last))
    commands = ", then ".join(f"`{line}`" for line in facts.commands(folder, info, last))
    parts = [
        f"# {folder.name}",
        f"{config.source or 'A GAN'}, {config.image_size}x{config.image_size}, trained with GAN Faces.",
        f"![64 generated pictures, seeds 0 to 63](samples/{max(sheets):04d}.webp)",
        "The pictures of seeds 0 to 63 at truncation 1, none left out.",
        lead,
        _progress(folder),
        f"""## Use
```python
from gan import load_generator, sample
pictures = sample(load_generator("{facts.shown(folder)}"), seed=0, n=16)
```""",
        "Meant for learning how GANs work, for play, and for research that the terms below allow.",
        _figures(measured, outdated),
        _sliders(folder),
        _photographs(folder),
        _links(notes[len(lead) :].strip() != "", has_details),
        f"## How it was made\n| | |\n|---|---|\n{made}",
        f"To train it again{_from_there(info)}: {commands}",
        f"## Data and terms\n{facts.terms(info.all_parts)}",
        f"## Limits\n{_limits(info, measured)}",
    ]
    head = f"""---
{facts.licence(info.all_parts)}
library_name: pytorch
pipeline_tag: unconditional-image-generation
tags: [gan, dcgan, gan-faces]
---
"""
    return head + "\n\n".join(part for part in parts if part) + "\n"


def lead_of(folder: Path) -> str:
    """What a person wrote above the first heading of notes.md, as Markdown: what was promised, and what came out.

    Raises:
        gan.run.RunError: notes that cannot be read.
    """
    return _HEADING.split(_notes(folder), maxsplit=1)[0].strip()


def _progress(folder: Path) -> str:
    """The strip of how it learned; nothing where there are too few sheets."""
    seen = write_progress(folder)
    if seen is None:
        return ""
    first, middle, last = (f"{images:,}" for images in seen)
    return (
        f"![Seeds 0 to 7 at three moments]({run.PROGRESS_FILE})\n\n"
        f"The same eight seeds in the beginning, in the middle and at the end of the training: after {first}, {middle} "
        f"and {last} real pictures."
    )


def _notes(folder: Path) -> str:
    try:
        return read_inside(folder, run.NOTES_FILE, MOST_JSON_BYTES).decode("utf-8-sig").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise run.RunError(f"{folder / run.NOTES_FILE} cannot be read ({reason(error)}): mend or remove it") from error


def _from_there(info: run.RunInfo) -> str:
    return f", from the `{info.start.model}` that it began with" if info.start else ""


def _figures(measured: dict[str, dict], outdated: bool) -> str:
    if outdated:
        return "## Figures\nMeasured on other weights than these: `python -m gan metrics --save` measures again."
    if not measured:
        return ""
    results = list(measured.values())
    heads = "".join(f" at {size} px | real |" for size in measured)
    lines = [f"| |{heads} better |", "|---|" + "---:|" * (2 * len(measured)) + "---|"]
    for figure in FIGURES:
        if any(figure.key in result["generated"] for result in results):
            cells = "".join(
                f" {figure.text(result['generated'])} | {figure.text(result['real'])} |" for result in measured.values()
            )
            lines.append(f"| {figure.name} |{cells} {figure.better} |")
    if any("inception_fid" in result for result in measured.values()):
        cells = "".join(f" {_number(result.get('inception_fid'))} | |" for result in measured.values())
        lines.append(f"| FID (Inception) |{cells} lower |")
    main = main_result(measured)
    others = [r["protocol"] for r in results if r["protocol"]["data"] != main["protocol"]["data"]]
    texts = [_protocol(main["protocol"]), *(f"At {p['size']} px: {_protocol(p)}" for p in others)]
    return "## Figures\n" + "\n".join(lines) + "\n\n" + " ".join(texts)


def _number(value: float | str | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else ""


def _protocol(protocol: dict) -> str:
    extractor = protocol.get("extractor")
    features = ""
    if extractor:
        features = (
            f" Fréchet and kernel distance, precision and recall in the features of this project's own "
            f"{extractor['task']} classifier, {extractor['hash']}, which is not FID."
        )
    seen = ", which this model was trained on too" if protocol["held_out_seen_by_model"] else ""
    return (
        f"{protocol['images']:,} pictures, seeds {protocol['seeds']}, truncation {protocol['truncation']:g}, against "
        f'{protocol["held_out"]}{seen}; "real": {facts.real_side(protocol)} against the same.{features}'
    )


def _sliders(folder: Path) -> str:
    """Which named directions there are; nothing where there are none."""
    try:
        names = ", ".join(d.name for d in load_directions(folder).values() if d.effect)
    except run.RunError:  # none, or of other weights
        return ""
    return f"Sliders that pass their test on other pictures: {names}." if names else ""


def _photographs(folder: Path) -> str:
    """How near photographs come; nothing where that was not measured, or cannot be read."""
    try:
        figures = read_figures(folder) or {}
        found, fed_back = figures["photographs"]["psnr"], figures["fed_back"]["psnr"]
        seen = ", which this model was trained on too" * figures.get("held_out_seen_by_model", False)
        return (
            f"A photo's nearest face: {found:.1f} dB PSNR after {figures['steps']} steps, mean of {figures['images']} "
            f"held-out pictures{seen}; {fed_back:.1f} dB for as many generated ones."
        )
    except (ValueError, KeyError, TypeError):
        return ""


def _links(has_notes: bool, has_details: bool) -> str:
    details = f"every figure and the whole protocol: [{run.DETAILS_FILE}]({run.DETAILS_FILE})"
    notes = f"what was tried, and what came of it: [{run.NOTES_FILE}]({run.NOTES_FILE})"
    links = "; ".join([details] * has_details + [notes] * has_notes)
    return links[:1].upper() + links[1:] + "." if links else ""


def _limits(info: run.RunInfo, measured: dict[str, dict]) -> str:
    texts = [
        "A small network for learning and play. It knows only pictures like those it was trained on, cropped as they "
        "were, and its pictures are of nobody. Not for identification, nor for judging or impersonating people."
    ]
    if any(part.terms == CELEBA for part in info.all_parts):
        texts.append(
            "CelebA's faces are celebrities': mostly young, light-skinned, made up and smiling, and the model draws "
            "what it saw."
        )
    attributes = next((result["attributes"] for result in measured.values() if "attributes" in result), None)
    if attributes:
        texts.append(_missing(attributes))
    neighbours = next((result["neighbours"] for result in measured.values() if "neighbours" in result), None)
    if neighbours:
        texts.append(_by_heart(neighbours))
    return "\n\n".join(texts)


def _missing(attributes: dict[str, dict]) -> str:
    """Who is drawn too rarely or too often, by the classifier's own judgement of both sides."""
    shares = {name: (both["generated"], both["real"]) for name, both in attributes.items()}
    ratios = {name: drawn / real for name, (drawn, real) in shares.items() if real >= _LEAST_SHARE}
    order = sorted(ratios, key=ratios.get)
    rare = [name for name in order if ratios[name] < _RARE]
    frequent = [name for name in reversed(order) if ratios[name] > _FREQUENT]

    def told(names: Sequence[str]) -> str:
        words = (f"{name.replace('_', ' ')} ({shares[name][0]:.1%}, data {shares[name][1]:.1%})" for name in names)
        return ", ".join(words) or "none"

    return (
        f"Who is missing? Drawn less than half as often as in the data: {told(rare)}. More than 1.5 times as "
        f"often: {told(frequent)}. So the classifier sees it, in CelebA's words; what those do not name (skin colour, "
        "age in years, disability) is not measured."
    )


def _by_heart(neighbours: dict) -> str:
    nearer = sum(distance < neighbours["held_out"]["p1"] for distance in neighbours["distances"])
    return (
        f"Is anything learned by heart? Samples that lie nearer to one of the {neighbours['searched']:,} training "
        f"pictures than 99 % of held-out pictures do, as a copy would: {nearer} of {len(neighbours['distances'])}."
    )
