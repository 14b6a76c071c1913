"""The model card that a training leaves in its folder: what the model is, and how it came to be."""

from __future__ import annotations

from pathlib import Path

from gan import run
from gan.config import PRESETS, GANConfig
from gan.files import atomic_path
from gan.models import Discriminator, Generator, count_parameters

_CELEBA_TERMS = (
    "CelebA (Liu et al., ICCV 2015) is for non-commercial research only, and so are weights trained on it. "
    "None of its pictures is in this folder; the samples are generated. Its faces are celebrities': mostly young, "
    "light-skinned, made up and smiling, and the model draws what it saw."
)
_MNIST_TERMS = "MNIST (LeCun et al.) is usually given as CC BY-SA 3.0."
_OTHER_TERMS = "The weights stand under the terms of the pictures that they were trained on."
_DRAWN_TERMS = "The drawn faces are made by this project's own code and free of rights."


def write_card(folder: Path) -> None:
    """Write README.md, a Hugging Face model card, from the folder's config and history."""
    folder = Path(folder)
    info = run.read_info(folder)
    config = info.config
    history = run.read_history(folder)
    last = history[-1]
    sheets = run.samples(folder)
    sources = info.data.lower()
    license_id = "other" if "mnist" not in sources else "cc-by-sa-3.0"
    text = f"""---
license: {license_id}
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
| Data | {info.data} |
| Real pictures seen | {last["images_seen"]:,} ({last["epoch"]:.1f} epochs of {info.images:,}) |
| Training time | {last["seconds"] / 60:.1f} minutes on {info.machine} |
| Generator | {count_parameters(Generator(config)):,} parameters |
| Discriminator | {count_parameters(Discriminator(config)):,} parameters |
| Latent | {config.z_dim} numbers, {config.z_distribution} |
| Objective | {_objective(config)} |
| Optimiser | Adam, learning rates {config.g_lr:g} (G) and {config.d_lr:g} (D), \
betas {config.beta1:g}, {config.beta2:g}, batch {config.batch_size} |
| Averaging | {_averaging(config)} |
| Versions | {", ".join(f"{name} {version}" for name, version in info.libraries.items())} |

## Use
```python
from gan import load_generator, sample
pictures = sample(load_generator("{folder.as_posix() if not folder.is_absolute() else folder.name}"), seed=0, n=16)
```

## Data and terms
{_terms(sources)}

## Limits
A small network for learning and play. It knows only pictures like those it was trained on, cropped as they were,
and its pictures are of nobody. Not for identification, nor for judging or impersonating people.
"""
    with atomic_path(folder / "README.md") as path:
        path.write_text(text)


def _changes(config: GANConfig) -> str:
    preset = PRESETS.get(config.preset, config).to_dict()
    changed = [f"`{key}={value}`" for key, value in config.to_dict().items() if preset[key] != value]
    return f" with {', '.join(changed)}" if changed else ""


def _objective(config: GANConfig) -> str:
    parts = [config.loss.replace("_", " ")]
    if config.real_label != 1:
        parts.append(f"real labels {config.real_label:g}")
    for name, gamma in (("R1", config.r1_gamma), ("R2", config.r2_gamma)):
        if gamma:
            parts.append(f"{name} {gamma:g} every {config.penalty_interval} steps")
    return ", ".join(parts)


def _averaging(config: GANConfig) -> str:
    if not config.ema_half_life_images:
        return "none: the generator as it stood at the end"
    return f"exponential, half-life {config.ema_half_life_images:,} images"


def _terms(sources: str) -> str:
    known = {"celeba": _CELEBA_TERMS, "mnist": _MNIST_TERMS, "drawn": _DRAWN_TERMS}
    return " ".join(terms for name, terms in known.items() if name in sources) or _OTHER_TERMS
