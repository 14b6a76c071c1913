"""What a model folder tells of its making, in words: pictures, recipe, and the commands that train it again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from gan import run
from gan.config import GANConfig
from gan.data_record import CELEBA, DRAWN, MNIST, UNKNOWN, DataRecord, SourceRecord
from gan.metrics.figures import FIGURES
from gan.models import parameter_counts
from gan.presets import PRESETS
from gan.weights import best_facts

CELEBA_IMAGES = 202_599
_TERMS = {
    CELEBA: "CelebA (Liu et al., ICCV 2015) is for non-commercial research only, and so are weights trained on it. "
    "None of its pictures is in this folder; the samples are generated.",
    MNIST: "MNIST (LeCun et al.) is usually given as CC BY-SA 3.0.",
    DRAWN: "The drawn faces are made by this project's own code and free of rights.",
}
_CELEBA_LICENCE = (
    "license: other\nlicense_name: celeba-non-commercial-research\n"
    "license_link: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)
_MNIST_LICENCE = "license: cc-by-sa-3.0\ndatasets: [ylecun/mnist]"


def rows(folder: Path, info: run.RunInfo, last: dict) -> list[tuple[str, str]]:
    """Name and value of every fact that a card's table has.

    Args:
        last: the last row of the history, with `epoch` and `seconds`.
    """
    config = info.config
    generator, critic = parameter_counts(config)
    found = [
        ("Preset", f"`{config.preset}`{_changes(info)}"),
        ("Data", _data(info)),
        ("Real pictures seen", _seen(info, last)),
        ("Training time", f"{duration(last['seconds'])} on {info.machine}"),
        ("Generator", f"{generator:,} parameters"),
        ("Discriminator", f"{critic:,} parameters"),
        (
            "Latent",
            f"{config.z_dim} numbers, {config.z_distribution}{', brought to one length' * config.g_normalize_z}",
        ),
        ("Objective", _objective(config)),
        ("Features matched", _one_line(info.matched.words) if info.matched else ""),
        (
            "Optimiser",
            f"Adam, learning rates {config.g_lr:g} (G) and {config.d_lr:g} (D), betas {config.beta1:g}, "
            f"{config.beta2:g}, batch {config.batch_size}{_fakes(config)}",
        ),
        ("Averaging", _averaging(config)),
        ("Best in training", _best(folder)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in info.libraries.items())),
    ]
    return [(name, value) for name, value in found if value]


def duration(seconds: float) -> str:
    """Training time in seconds, in minutes from one of them on, or in hours from two of them on."""
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def shown(folder: Path) -> str:
    """A folder as a command may name it, without folders of this machine."""
    return folder.name if folder.is_absolute() else folder.as_posix()


def quoted(folder: Path) -> str:
    """`shown`, for a shell."""
    return shlex.quote(shown(folder))


def licence(parts: Sequence[SourceRecord]) -> str:
    """The front matter's licence: the strictest; MNIST's only where nothing else but drawn faces is behind it."""
    found = {part.terms for part in parts}
    if CELEBA in found:
        return _CELEBA_LICENCE
    return _MNIST_LICENCE if MNIST in found <= {MNIST, DRAWN} else "license: other"


def terms(parts: Sequence[SourceRecord]) -> str:
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
            f"nobody recorded them: find out before you pass the model on, and write them at the top of "
            f"{run.NOTES_FILE} here (or give train.py --terms)."
        )
    return " ".join(texts)


def real_side(protocol: dict) -> str:
    """Which pictures the "real" figures of a result are of; older versions took the training's."""
    return protocol.get("real", "training pictures")


def commands(folder: Path, info: run.RunInfo, last: dict) -> list[str]:
    """The line that trains such a model, and one for each change of pictures; paths of zips are the reader's own."""
    if not info.earlier:
        return [_command(info, last)]
    # each part ends where the next one begins
    ends = [*(part.images_seen for part in info.earlier), last["images_seen"]]
    others = [*(part.data for part in info.earlier[1:]), info.data]
    begun = dataclasses.replace(info, data=info.earlier[0].data)
    lines = [_command(begun, last | {"images_seen": ends[0], "epoch": 0})]
    for data, end in zip(others, ends[1:], strict=True):
        options = ["--resume", shown(folder), "--new-data", *_data_options(data), "--max-images", str(end)]
        lines.append(shlex.join(["python", "train.py", *options]))
    return lines


def data_words(info: run.RunInfo) -> str:
    """What stands for its pictures after --data; SOURCE where an older version did not record it."""
    return shlex.join(part.source or "SOURCE" for part in info.data.parts)


def measured_words(protocol: dict, info: run.RunInfo) -> str:
    """What stands after --data for the pictures of a result; older versions measured on the model's own."""
    return shlex.join(protocol["sources"]) if "sources" in protocol else data_words(info)


def _recipe(info: run.RunInfo) -> tuple[bool, dict[str, object]]:
    """Whether it was refined (`GANConfig.refined`), and what else differs from the preset.

    How often it is measured changes no model.
    """
    config = info.config
    preset = PRESETS.get(config.preset, config)

    def changed(base: GANConfig) -> dict[str, object]:
        before = base.to_dict()
        return {key: v for key, v in config.to_dict().items() if before[key] != v and key != "metric_interval"}

    plain, refined = changed(preset), changed(preset.refined())
    is_refined = info.start is not None and config.matches_features and len(refined) <= len(plain)
    return is_refined, refined if is_refined else plain


def _changes(info: run.RunInfo) -> str:
    is_refined, changed = _recipe(info)
    found = [f"`{key}={value}`" for key, value in changed.items()]
    return ", refined" * is_refined + (f" with {', '.join(found)}" if found else "")


def _data(info: run.RunInfo) -> str:
    given_up = [
        f"{_one_line(part.data.words)} ({part.data.images:,} pictures) until {part.images_seen:,} pictures seen"
        for part in info.earlier
    ]
    return "; before: ".join([_pictures(info.data), *reversed(given_up)])


def _pictures(data: DataRecord) -> str:
    split = f"{', the' if _part_of_celeba(data) else ': the'} {data.split} split alone" * bool(data.split)
    return f"{_one_line(data.words)}{_part_of_celeba(data)}{split}"


def _part_of_celeba(data: DataRecord) -> str:
    part = all(part.terms == CELEBA for part in data.parts) and data.images < CELEBA_IMAGES
    return f": {data.images:,} of CelebA's {CELEBA_IMAGES:,} pictures" if part else ""


def _one_line(text: str) -> str:
    """A name that came from outside, as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _seen(info: run.RunInfo, last: dict) -> str:
    own = f"{last['images_seen']:,} ({last['epoch']:.1f} epochs of {info.data.images:,})"
    if (start := info.start) is None:
        return own
    names = " + ".join(dict.fromkeys(part.name for part in start.data.parts))  # once, though some is known twice
    before = f"{start.images_seen:,} ({_one_line(names)}) by the model `{start.model}` that it began with"
    if not start.continued:
        return f"{own}, after {before}"
    own, epochs = last["images_seen"] - start.images_seen, last["epoch"] - start.epoch
    return f"{last['images_seen']:,}: {before}, then {own:,} ({epochs:.1f} epochs of {info.data.images:,})"


def _objective(config: GANConfig) -> str:
    parts = [config.loss.replace("_", " ")]
    if config.real_label != 1:
        parts.append(f"real labels {config.real_label:g}")
    for name, gamma in (("R1", config.r1_gamma), ("R2", config.r2_gamma)):
        if gamma:
            parts.append(f"{name} {gamma:g} every {config.penalty_interval} steps")
    if config.frechet_weight:
        parts.append(f"Fréchet distance {config.frechet_weight:g}")
    if config.manifold_weight:
        parts.append(f"manifold distance {config.manifold_weight:g}")
    if config.imagenet_weight:
        parts.append(f"Fréchet distances in ImageNet's features {config.imagenet_weight:g}")
    if config.spectrum_weight:
        parts.append(f"in the power spectrum {config.spectrum_weight:g}")
    if config.d_augment:
        parts.append(f"DiffAugment ({config.d_augment.replace(',', ', ')})")
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


def _best(folder: Path) -> str:
    facts = best_facts(folder)
    if facts is None:
        return ""
    metric = next(figure.name for figure in FIGURES if figure.key == facts["metric"])
    return (
        f"{metric} {facts['value']:.2f} against training pictures, at {facts['images_seen']:,} pictures seen "
        f"(`{run.BEST_FILE}`)"
    )


def _command(info: run.RunInfo, last: dict) -> str:
    config = info.config
    is_refined, changed = _recipe(info)
    parts = ["python", "train.py"]
    if is_refined:
        parts += ["--refine"]
    elif config.preset in PRESETS:
        parts += ["--preset", config.preset]
    for key, value in changed.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        parts += ["--set", f"{key}={text}"]
    parts += _data_options(info.data)
    if info.matched is not None:
        parts += ["--match-data", *(part.source or "SOURCE" for part in info.matched.parts)]
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


def _data_options(data: DataRecord) -> list[str]:
    """What train.py is to be told of these pictures; SOURCE where an older version did not record it."""
    told = [part for part in data.parts if not part.is_built_in]
    options = ["--data", *(part.source or "SOURCE" for part in data.parts)]
    options += ["--all-splits"] if any(part.terms == CELEBA and not part.split for part in data.parts) else []
    for option, values in (("--kind", {part.kind for part in told}), ("--terms", {part.terms for part in told})):
        value = values.pop() if len(values) == 1 else ""
        options += [option, value] if value not in ("", UNKNOWN) else []
    return options
