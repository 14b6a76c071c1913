"""The model card that a training leaves in its folder: what the model is, how it came to be, and how good it is.

    python -m gan card weights/*                write the cards again, after `python -m gan metrics --save`
    python -m gan card --table README.md        and the table that compares the models of weights/

What a person adds to a card goes into notes.md beside it, in Markdown, and is put into every card written from then on.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from gan import run
from gan.config import PRESETS, GANConfig
from gan.data_record import CELEBA, DRAWN, MNIST, UNKNOWN, DataRecord, SourceRecord
from gan.files import MOST_JSON_BYTES, read_inside, reason, write_text
from gan.history import read_history, samples
from gan.latent import attributes
from gan.latent.directions import load_directions
from gan.latent.projection_report import read_figures
from gan.metrics.figures import FIGURES
from gan.metrics.judge import FILE as METRICS_FILE
from gan.metrics.judge import MetricError, read_metrics
from gan.models import Discriminator, Generator, count_parameters
from gan.report import table
from gan.report.measured import photographs, sliders
from gan.weights import best_facts

CELEBA_IMAGES = 202_599
_CELEBA_TERMS = (
    "CelebA (Liu et al., ICCV 2015) is for non-commercial research only, and so are weights trained on it. "
    "None of its pictures is in this folder; the samples are generated. Its faces are celebrities': mostly young, "
    "light-skinned, made up and smiling, and the model draws what it saw."
)
_TERMS = {
    CELEBA: _CELEBA_TERMS,
    MNIST: "MNIST (LeCun et al.) is usually given as CC BY-SA 3.0.",
    DRAWN: "The drawn faces are made by this project's own code and free of rights.",
}
_CELEBA_LICENCE = (
    "license: other\nlicense_name: celeba-non-commercial-research\n"
    "license_link: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)
_MNIST_LICENCE = "license: cc-by-sa-3.0\ndatasets: [ylecun/mnist]"
_RARE, _FREQUENT = 0.5, 1.5  # drawn so many times as often as in the data: worth a sentence
_LEAST_SHARE = 0.01  # of the data: rarer attributes are within the classifier's errors


def write_card(folder: Path) -> None:
    """Write README.md, a Hugging Face model card, from the folder's config, history and figures.

    Raises:
        gan.run.RunError, gan.metrics.judge.MetricError: a damaged folder or metrics.json.
    """
    folder = Path(folder)
    try:
        text = _card(folder)
    except (KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise MetricError(
            f"{folder / METRICS_FILE} lacks what a card is written from ({type(error).__name__} {error}): "
            "measure again with --save"
        ) from error
    write_text(folder / run.CARD_FILE, text)


def _card(folder: Path) -> str:
    info = run.read_info(folder)
    config = info.config
    history = read_history(folder)
    if not history:
        raise run.RunError(f"{folder} has no history.csv to write a card from: train it first")
    last = {"epoch": 0.0, "seconds": 0.0} | {key: v for key, v in history[-1].items() if v is not None}
    sheets = samples(folder)
    if not sheets:
        raise run.RunError(f"{folder} has no sample sheet to show on a card: train it first")
    return f"""---
{_licence(info.all_parts)}
library_name: pytorch
pipeline_tag: unconditional-image-generation
tags: [gan, dcgan, gan-faces]
---
# {folder.name}

{config.source or "A GAN"}, {config.image_size}x{config.image_size}, trained with GAN Faces.

![64 generated pictures, seeds 0 to 63](samples/{max(sheets):04d}.webp)

The pictures of seeds 0 to 63 at truncation 1, none left out.

| | |
|---|---|
| Preset | `{config.preset}`{_changes(config)} |
| Data | {_data(info)} |
| Real pictures seen | {_seen(info, last)} |
| Training time | {table.duration(last["seconds"])} on {info.machine} |
| Generator | {count_parameters(Generator(config)):,} parameters |
| Discriminator | {count_parameters(Discriminator(config)):,} parameters |
| Latent | {config.z_dim} numbers, {config.z_distribution}{", brought to one length" * config.g_normalize_z} |
| Objective | {_objective(config)} |
| Optimiser | Adam, learning rates {config.g_lr:g} (G) and {config.d_lr:g} (D), \
betas {config.beta1:g}, {config.beta2:g}, batch {config.batch_size}{_fakes(config)} |
| Averaging | {_averaging(config)} |
{_best(folder)}| Versions | {", ".join(f"{name} {version}" for name, version in info.libraries.items())} |

## Use
```python
from gan import load_generator, sample
pictures = sample(load_generator("{_shown(folder)}"), seed=0, n=16)
```
To train it again{_from_there(info)}: {_commands(folder, info, last)}

Meant for learning how GANs work, for play, and for research that the terms below allow.

{_figures(folder, info)}{_sliders(folder)}{_photographs(folder)}{_notes(folder)}## Data and terms
{_terms(info.all_parts)}

## Limits
A small network for learning and play. It knows only pictures like those it was trained on, cropped as they were,
and its pictures are of nobody. Not for identification, nor for judging or impersonating people.
"""


def _shown(folder: Path) -> str:
    return folder.name if folder.is_absolute() else folder.as_posix()


def _quoted(folder: Path) -> str:
    return shlex.quote(_shown(folder))


def _licence(parts: Sequence[SourceRecord]) -> str:
    """The front matter's licence: the strictest; MNIST's only where nothing else but drawn faces is behind it."""
    terms = {part.terms for part in parts}
    if CELEBA in terms:
        return _CELEBA_LICENCE
    return _MNIST_LICENCE if MNIST in terms <= {MNIST, DRAWN} else "license: other"


def _data(info: run.RunInfo) -> str:
    given_up = [
        f"{_one_line(part.data.words)} ({part.data.images:,} pictures) until {part.images_seen:,} pictures seen"
        for part in info.earlier
    ]
    return "; before: ".join([f"{_one_line(info.data.words)}{_part_of_celeba(info.data)}", *reversed(given_up)])


def _part_of_celeba(data: DataRecord) -> str:
    part = all(part.terms == CELEBA for part in data.parts) and data.images < CELEBA_IMAGES
    return f": {data.images:,} of CelebA's {CELEBA_IMAGES:,} pictures" if part else ""


def _one_line(text: str) -> str:
    """A name that came from outside, as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _changes(config: GANConfig) -> str:
    changed = [f"`{key}={value}`" for key, value in _changed(config).items()]
    return f" with {', '.join(changed)}" if changed else ""


def _changed(config: GANConfig) -> dict[str, object]:
    """What differs from the preset, but for how often it is measured, which changes no model."""
    preset = PRESETS.get(config.preset, config).to_dict()
    return {key: v for key, v in config.to_dict().items() if preset[key] != v and key != "metric_interval"}


def _commands(folder: Path, info: run.RunInfo, last: dict) -> str:
    """The line that trains such a model, and one for each change of pictures; paths of zips are the reader's own."""
    if not info.earlier:
        return f"`{_command(info, last)}`"
    # each part ends where the next one begins
    ends = [*(part.images_seen for part in info.earlier), last["images_seen"]]
    others = [*(part.data for part in info.earlier[1:]), info.data]
    begun = dataclasses.replace(info, data=info.earlier[0].data)
    lines = [_command(begun, last | {"images_seen": ends[0], "epoch": 0})]
    for data, end in zip(others, ends[1:], strict=True):
        options = ["--resume", _shown(folder), "--new-data", *_data_options(data), "--max-images", str(end)]
        lines.append(shlex.join(["python", "train.py", *options]))
    return ", then ".join(f"`{line}`" for line in lines)


def _command(info: run.RunInfo, last: dict) -> str:
    config = info.config
    parts = ["python", "train.py"] + (["--preset", config.preset] if config.preset in PRESETS else [])
    for key, value in _changed(config).items():
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        parts += ["--set", f"{key}={shown}"]
    parts += _data_options(info.data)
    images_seen, epoch = last["images_seen"], last["epoch"]
    if info.start is not None:
        parts += ["--start-from", info.start.model]
        if info.start.continued:
            images_seen, epoch = images_seen - info.start.images_seen, epoch - info.start.epoch
    if epoch < config.epochs - 0.05:
        parts += ["--max-images", str(images_seen)]
    elif epoch > config.epochs + 0.05:
        parts += ["--epochs", str(round(epoch))]
    return shlex.join(parts)


def _seen(info: run.RunInfo, last: dict) -> str:
    own = f"{last['images_seen']:,} ({last['epoch']:.1f} epochs of {info.data.images:,})"
    if (start := info.start) is None:
        return own
    before = f"{start.images_seen:,} ({_one_line(start.data.words)}) by the model `{start.model}` that it began with"
    if not start.continued:
        return f"{own}, after {before}"
    own, epochs = last["images_seen"] - start.images_seen, last["epoch"] - start.epoch
    return f"{last['images_seen']:,}: {before}, then {own:,} ({epochs:.1f} epochs of {info.data.images:,})"


def _from_there(info: run.RunInfo) -> str:
    return f", from the `{info.start.model}` that it began with" if info.start else ""


def _best(folder: Path) -> str:
    facts = best_facts(folder)
    if facts is None:
        return ""
    metric = next(figure.name for figure in FIGURES if figure.key == facts["metric"])
    return (
        f"| Best in training | {metric} {facts['value']:.2f} against training pictures, "
        f"at {facts['images_seen']:,} pictures seen (`{run.BEST_FILE}`) |\n"
    )


def _objective(config: GANConfig) -> str:
    parts = [config.loss.replace("_", " ")]
    if config.real_label != 1:
        parts.append(f"real labels {config.real_label:g}")
    for name, gamma in (("R1", config.r1_gamma), ("R2", config.r2_gamma)):
        if gamma:
            parts.append(f"{name} {gamma:g} every {config.penalty_interval} steps")
    return ", ".join(parts)


def _fakes(config: GANConfig) -> str:
    if config.fakes_per_real == 1:
        return ""
    return f" real and {config.batch_size * config.fakes_per_real} generated pictures"


def _averaging(config: GANConfig) -> str:
    if not config.ema_half_life_images:
        return "none: the generator as it stood at the end"
    share = f"{config.ema_ramp_up:.0%} of those seen so far"
    return f"exponential, half-life {config.ema_half_life_images:,} images and at most {share}"


def _figures(folder: Path, info: run.RunInfo) -> str:
    results = read_metrics(folder)
    measured = {size: result for size, result in results.items() if table.is_current(folder, result)}
    if not measured:
        if not results:
            return ""
        return "## Figures\nMeasured on other weights than these: `python -m gan metrics --save` measures again.\n\n"
    first = next(iter(measured.values()))
    own = [figure for figure in FIGURES if figure.key in first["generated"]]
    heads = "".join(f" at {size} px | real |" for size in measured)
    lines = [f"| |{heads} better |", "|---|" + "---:|" * (2 * len(measured)) + "---|"]
    for figure in own:
        cells = "".join(
            f" {figure.text(result['generated'])} | {figure.text(result['real'])} |" for result in measured.values()
        )
        lines.append(f"| {figure.name} |{cells} {figure.better} |")
    fids = {size: result["inception_fid"] for size, result in measured.items() if "inception_fid" in result}
    if fids:
        cells = "".join(f" {_number(fids.get(size))} | |" for size in measured)
        lines.append(f"| FID (Inception) |{cells} lower |")
    parts = ["## Figures", "\n".join(lines), _protocol(folder, info, measured)]
    if "digits" in first["generated"]:
        parts.append(
            f"Digits 0 to 9, as the classifier reads them: {', '.join(map(str, first['generated']['digits']))}."
        )
    if "attributes" in first:
        parts.append(_attributes(first))
    neighbours = next((result["neighbours"] for result in measured.values() if "neighbours" in result), None)
    if neighbours:
        parts.append(_neighbours(folder, info, neighbours))
    return "\n\n".join(parts) + "\n\n"


def _number(value: float | str | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else ""


def _protocol(folder: Path, info: run.RunInfo, measured: dict[str, dict]) -> str:
    protocol = next(iter(measured.values()))["protocol"]
    extractor = protocol.get("extractor")
    features = ""
    if extractor:
        features = (
            f"Fréchet and kernel distance ({protocol['kernel_distance']}), precision and recall "
            f"({protocol['precision_recall']}) are taken in the {extractor['features']} features of this project's "
            f"own {extractor['task']} classifier, {extractor['hash']}: not to be compared with FID, KID or the figures "
            "of another classifier. "
        )
    seen = ", which this model was trained on too" if protocol["held_out_seen_by_model"] else ""
    sizes = " ".join(measured)
    return (
        f"Protocol: {protocol['images']:,} pictures, seeds {protocol['seeds']}, truncation {protocol['truncation']:g}, "
        f'against as many of {protocol["held_out"]} of {protocol["data"]}{seen}; "real" are as many other real '
        f"pictures against the same. Crop: {protocol['crop']}. {features}Sliced Wasserstein: "
        f"{protocol['sliced_wasserstein']}. MS-SSIM: {protocol['ms_ssim']}. "
        f"`python -m gan metrics {_quoted(folder)} --data {_data_words(info)} --size {sizes} --seed {protocol['seed']}`"
    )


def _data_options(data: DataRecord) -> list[str]:
    """What train.py is to be told of these pictures; SOURCE where an older version did not record it."""
    told = [part for part in data.parts if not part.is_built_in]
    options = ["--data", *(part.source or "SOURCE" for part in data.parts)]
    for option, values in (("--kind", {part.kind for part in told}), ("--terms", {part.terms for part in told})):
        value = values.pop() if len(values) == 1 else ""
        options += [option, value] if value not in ("", UNKNOWN) else []
    return options


def _data_words(info: run.RunInfo) -> str:
    return shlex.join(part.source or "SOURCE" for part in info.data.parts)


def _attributes(result: dict) -> str:
    """Who is drawn too rarely or too often, by the classifier's own judgement of both sides."""
    shares = {name: (both["generated"], both["real"]) for name, both in result["attributes"].items()}
    ratios = {name: drawn / real for name, (drawn, real) in shares.items() if real >= _LEAST_SHARE}
    order = sorted(ratios, key=ratios.get)
    rare = [name for name in order if ratios[name] < _RARE]
    frequent = [name for name in reversed(order) if ratios[name] > _FREQUENT]

    def told(names: Sequence[str]) -> str:
        words = (f"{name.replace('_', ' ')} ({shares[name][0]:.1%}, data {shares[name][1]:.1%})" for name in names)
        return ", ".join(words) or "none"

    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {drawn:.1%} | {real:.1%} |" for name, (drawn, real) in sorted(shares.items())
    )
    return (
        "### Who is missing\n"
        f"Drawn less than half as often as they are in the data: {told(rare)}. More than one and a half times as "
        f"often: {told(frequent)}. Shares are means of the classifier's probabilities, of samples and of real "
        "pictures; its words are CelebA's, in which annotators put strangers into two boxes each. What CelebA does "
        "not name (skin colour, age in years, disability) is not measured.\n\n"
        "<details><summary>All attributes</summary>\n\n| | generated | real |\n|---|---:|---:|\n"
        + rows
        + "\n\n</details>"
    )


def _neighbours(folder: Path, info: run.RunInfo, facts: dict) -> str:
    distances, held_out = facts["distances"], facts["held_out"]
    nearer = sum(distance < held_out["p1"] for distance in distances)
    listed = ", ".join(f"{seed}: {distance:.2f}" for seed, distance in zip(facts["seeds"], distances, strict=True))
    private = any(part.terms == CELEBA for part in info.all_parts)
    private = " They may not be published with it: CelebA's terms." if private else ""
    return (
        "### Is anything learned by heart?\n"
        f"Distance of a sample to the nearest of {facts['searched']:,} training pictures, in the classifier's "
        f"features, by seed: {listed}. Real pictures that are held out lie {held_out['p50']:.2f} (median; 1 % of them "
        f"under {held_out['p1']:.2f}, 5 % under {held_out['p5']:.2f}) from the nearest training picture. A copy would "
        f"lie close to 0; {nearer} of the {len(distances)} samples lie nearer than 99 % of held-out pictures do.\n\n"
        f"The pictures side by side, drawn on your machine from your copy of the data: `python -m gan metrics "
        f"{_quoted(folder)} --data {_data_words(info)} --neighbours nearest.webp`.{private}"
    )


def _sliders(folder: Path) -> str:
    """What the named directions do; nothing where there are none."""
    try:
        measured = sliders(load_directions(folder).values())
    except run.RunError:
        measured = ""  # none, or of other weights
    if not measured:
        return ""
    return f"""## Sliders
Mean probability of the attribute by the project's own classifier, over pictures that start in the middle
({" to ".join(f"{p:g}" for p in attributes.MIDDLE)}): at both ends of its slider, and the other attribute that changes
most from end to end. Found by `python -m gan directions`, measured on other pictures; what does not pass is not shown.

{measured}

"""


def _photographs(folder: Path) -> str:
    """How near photographs come; nothing where that was not measured."""
    figures = read_figures(folder)
    try:
        measured = photographs(figures) if figures else ""
    except (ValueError, KeyError, TypeError):
        measured = ""
    if not measured:
        return ""
    return f"""## Photographs
The latent vector nearest to a picture: an encoder's guess, then gradient steps. Measured by
`python -m gan projection {_quoted(folder)} --data SOURCE --save`.

{measured}

"""


def _notes(folder: Path) -> str:
    try:
        return read_inside(folder, run.NOTES_FILE, MOST_JSON_BYTES).decode("utf-8-sig").strip() + "\n\n"
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise run.RunError(f"{folder / run.NOTES_FILE} cannot be read ({reason(error)}): mend or remove it") from error


def _terms(parts: Sequence[SourceRecord]) -> str:
    """The terms of all pictures behind the weights; where nobody recorded them, the card asks for them."""
    recorded = {part.terms for part in parts}
    texts = [text for name, text in _TERMS.items() if name in recorded]
    texts += [
        f"{_one_line(part.name)}: {' '.join(part.terms.split())}" for part in parts if part.terms not in ("", *_TERMS)
    ]
    unknown = dict.fromkeys(_one_line(part.name) for part in parts if not part.terms)
    if unknown:
        texts.append(
            f"The weights stand under the terms of the pictures that they were trained on, and of {', '.join(unknown)} "
            f"nobody recorded them: find out before you pass the model on, and write them into {run.NOTES_FILE} here "
            "(or give train.py --terms)."
        )
    return " ".join(texts)
