"""Trains and judges the classifiers: `python -m gan classifier celeba|mnist`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm import tqdm

from gan.data.batches import epoch_order, make_batch
from gan.files import save_tensors
from gan.machine import pick_bf16, pick_device
from gan.metrics.classifier import (
    FACTS,
    FORMAT_VERSION,
    SURE,
    Classifier,
    read_classifier,
)


@dataclass(frozen=True)
class Recipe:
    """A classifier's network, and how it is trained."""

    image_size: int
    channels: int
    widths: tuple[int, ...]  # channels of each convolution
    strides: tuple[int, ...]
    exclusive: bool  # labels exclude each other
    epochs: int
    reduced_sizes: tuple[int, ...]  # pixels: a third of the pictures goes through one of these sizes and back
    flip: bool
    shift: int  # pixels, the most that a picture is moved each way
    learning_rate: float = 3e-3  # AdamW's, at the top of the one cycle
    weight_decay: float = 0.02
    batch_size: int = 128
    brightness: float = 0.15  # the most that a picture is brightened, and that its contrast is changed by


RECIPES = {
    "celeba": Recipe(
        image_size=64,
        channels=3,
        widths=(32, 64, 64, 128, 128, 192, 192),
        strides=(2, 2, 1, 2, 1, 2, 1),
        exclusive=False,
        epochs=4,
        reduced_sizes=(28, 32, 48),  # the small models' pictures come enlarged and are not to be taken for others
        flip=True,
        shift=3,
    ),
    "mnist": Recipe(
        image_size=28,
        channels=1,
        widths=(16, 32, 32, 64, 64, 128),
        strides=(1, 2, 1, 2, 1, 2),
        exclusive=True,
        epochs=6,
        reduced_sizes=(20, 24),
        flip=False,
        shift=2,
    ),
}

# Wider, with other places for the strides: what deceives the first need not deceive these.
JUDGES = {
    "celeba": dataclasses.replace(
        RECIPES["celeba"], widths=(48, 96, 96, 160, 160, 256), strides=(2, 2, 1, 2, 1, 2), learning_rate=2e-3
    ),
    "mnist": dataclasses.replace(RECIPES["mnist"], widths=(24, 48, 48, 96, 96), strides=(1, 2, 1, 2, 1)),
}


@dataclass(frozen=True)
class Labelled:
    """Pictures with their labels."""

    images: np.ndarray  # (N, H, W, C) uint8
    targets: Tensor  # (N, K) float32 of 0 and 1, or (N,) int64 of classes


def train_classifier(
    recipe: Recipe,
    labels: Sequence[str],
    data: Labelled,
    *,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    progress: bool = True,
) -> Classifier:
    """Train a classifier: AdamW with one cycle of the learning rate (Smith & Topin 2019), light augmentation.

    Returns:
        In eval mode, batch norm folded into the convolutions, on the CPU.

    Raises:
        gan.machine.MachineError: a device or precision that cannot be had.
        gan.data.sources.DataError: fewer pictures than one batch.
    """
    torch_device = pick_device(device)
    bf16 = pick_bf16(precision, torch_device)
    arguments = dict(widths=recipe.widths, strides=recipe.strides, exclusive=recipe.exclusive)
    torch.manual_seed(seed)
    network = Classifier(tuple(labels), recipe.image_size, recipe.channels, **arguments, batch_norm=True)
    network = network.to(torch_device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    orders = [
        epoch_order(len(data.images), batch_size=recipe.batch_size, seed=seed, epoch=epoch)
        for epoch in range(recipe.epochs)
    ]
    total = sum(map(len, orders))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=total)
    random = torch.Generator().manual_seed(seed)
    loss_of = cross_entropy if recipe.exclusive else binary_cross_entropy_with_logits
    bar = tqdm(total=total, desc="classifier", unit="step", disable=not progress)
    with bar:
        for indices in (indices for order in orders for indices in order):
            images = make_batch(data.images, indices, device=torch_device, flip=recipe.flip, generator=random)
            images = augment(images, recipe, random)
            with torch.autocast(torch_device.type, torch.bfloat16, enabled=bf16):
                logits = network(images)
            loss = loss_of(logits.float(), data.targets[indices].to(torch_device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update()
            if bar.n % 50 == 0:
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
    return fold(network.cpu().eval())


def augment(images: Tensor, recipe: Recipe, random: torch.Generator) -> Tensor:
    """Move each picture, change its brightness and contrast, and make a third of them less sharp.

    Args:
        images: (N, C, H, W) in [-1, 1].
        random: CPU generator.

    Returns:
        The same shape and range.
    """
    n, _, height, width = images.shape
    # One reduced size for the first third: the order of the pictures is random.
    third, size = n // 3, recipe.reduced_sizes[int(torch.randint(len(recipe.reduced_sizes), (), generator=random))]
    reduced = resized(resized(images[:third], size), height)
    images = torch.cat([reduced, images[third:]])
    rows, columns = torch.randint(-recipe.shift, recipe.shift + 1, (2, n, 1), generator=random)
    # The pixels at the edge are repeated: no picture of the data has an empty border.
    rows = (torch.arange(height) + rows).clamp(0, height - 1).to(images.device)
    columns = (torch.arange(width) + columns).clamp(0, width - 1).to(images.device)
    picture = torch.arange(n, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    change = (torch.rand(2, n, 1, 1, 1, generator=random) * 2 - 1).mul(recipe.brightness).to(images.device)
    return (moved * (1 + change[0]) + change[1]).clamp(-1, 1)


def resized(images: Tensor, size: int) -> Tensor:
    """images: (N, C, H, W) -> (N, C, size, size), bilinear, antialiased."""
    return interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


def fold(network: Classifier) -> Classifier:
    """A copy in eval mode with batch norm multiplied into the convolutions."""
    arguments = dict(widths=network.widths, strides=network.strides, exclusive=network.exclusive)
    folded = Classifier(network.labels, network.image_size, network.channels, **arguments)
    layers = [layer for layer in network.layers if not isinstance(layer, nn.ReLU)]
    fused = [fuse_conv_bn_eval(conv, norm) for conv, norm in zip(layers[::2], layers[1::2], strict=True)]
    for layer, conv in zip(folded.layers[::2], fused, strict=True):
        layer.load_state_dict(conv.state_dict())
    folded.head.load_state_dict(network.head.state_dict())
    return folded.eval().requires_grad_(False)


def save_classifier(classifier: Classifier, path: Path, figures: dict) -> Classifier:
    """Write a classifier as float16 safetensors, labels and figures in its metadata; returns what was read back."""
    facts = {
        "format_version": FORMAT_VERSION,
        "labels": classifier.labels,
        "image_size": classifier.image_size,
        "channels": classifier.channels,
        "widths": classifier.widths,
        "strides": classifier.strides,
        "exclusive": classifier.exclusive,
        "figures": figures,
    }
    tensors = {name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}
    save_tensors(path, tensors, facts, key=FACTS)
    return read_classifier(path)


@torch.inference_mode()
def judge(classifier: Classifier, data: Labelled, size: int | None = None) -> dict:
    """How good a classifier is on pictures that it was not trained on.

    Args:
        size: pixels to reduce the pictures to first.

    Returns:
        "accuracy", and for attributes "per_label": {name: {"accuracy", "auc", "share"}}, for digits
        "sure_share": the share of pictures whose best probability is above `SURE`, "sure_right": the accuracy there,
        None where it is sure of none.
    """
    logits = []
    for start in range(0, len(data.images), 256):
        part = np.arange(start, min(start + 256, len(data.images)))
        images = make_batch(data.images, part, device="cpu", flip=False)
        logits.append(classifier(resized(images, size) if size else images))
    logits = torch.cat(logits)
    if classifier.exclusive:
        best, guess = classifier.to_probabilities(logits).max(dim=1)
        right, sure = guess == data.targets, best > SURE
        return {
            "accuracy": right.float().mean().item(),
            "sure_share": sure.float().mean().item(),
            "sure_right": right[sure].float().mean().item() if sure.any() else None,
        }
    has = data.targets == 1
    right = ((logits > 0) == has).double().mean(dim=0)
    per_label = {
        name: {
            "accuracy": right[i].item(),
            "auc": auc(logits[:, i], has[:, i]),
            "share": has[:, i].double().mean().item(),
        }
        for i, name in enumerate(classifier.labels)
    }
    return {"accuracy": right.mean().item(), "per_label": per_label}


def auc(scores: Tensor, has: Tensor) -> float | None:
    """Area under the ROC curve: how often a picture with the attribute scores above one without; None for one kind.

    Args:
        scores: (N,); ties count a half.
        has: (N,) bool.
    """
    positive, negative = scores[has].double(), scores[~has].double().sort().values
    if not len(positive) or not len(negative):
        return None
    below = torch.searchsorted(negative, positive) + torch.searchsorted(negative, positive, right=True)
    return (below.double().mean() / 2 / len(negative)).item()
