"""Single values that a stranger sends, each checked and bounded, or refused in a sentence."""

from __future__ import annotations

import base64
import binascii
import math
import os
import unicodedata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan.errors import GanError
from gan.sampling import MAX_SEED

MAX_DIMENSIONS = 1024
MAX_LATENT = 10.0  # largest number in an own latent; a normal z of 1,024 numbers hardly passes 4
MAX_NAME = 40  # characters of a direction's name
_DECIMALS = 3  # what is kept of a value, so that a link restores exactly what was shown


class FaceError(GanError, ValueError):
    """A state that cannot be used; the message says what was given and what was expected."""


def encode_latent(z: Tensor) -> str:
    """A latent vector as a link takes it: float16, little-endian, base64url without its '='.

    Args:
        z: (z_dim,) or (1, z_dim), any float; what `decode_latent` gives differs by the rounding to float16.

    Raises:
        FaceError: more than `MAX_DIMENSIONS` numbers, or one beyond `MAX_LATENT`.
    """
    numbers = z.detach().cpu().float().flatten()
    if not 0 < len(numbers) <= MAX_DIMENSIONS or not bool((numbers.abs() <= MAX_LATENT).all()):
        raise FaceError(
            f"latent of {len(numbers)} numbers: expected 1 to {MAX_DIMENSIONS}, each from -{MAX_LATENT:g} to "
            f"{MAX_LATENT:g}"
        )
    return base64.urlsafe_b64encode(numbers.numpy().astype("<f2").tobytes()).decode().rstrip("=")


def decode_latent(text: str) -> Tensor:
    """(z_dim,) float32 of `encode_latent`'s text; raises `FaceError`."""
    if not isinstance(text, str) or len(text) > 4 * MAX_DIMENSIONS:
        raise FaceError(f"latent {short(text)}: expected float16 numbers as base64url, at most {MAX_DIMENSIONS}")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return torch.from_numpy(np.frombuffer(content, "<f2").astype(np.float32))
    except (binascii.Error, ValueError) as error:
        raise FaceError(f"latent {short(text)}: expected float16 numbers as base64url ({error})") from None


def first_seed(given: object, count: int) -> int:
    """Where `count` consecutive seeds begin, brought into the range of seeds; raises `FaceError` for no number."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise FaceError(f"start {short(given)}: expected a whole number, the first seed")
    return min(max(0, int(given)), MAX_SEED + 1 - count)


def clean_name(text: str) -> str:
    """What of a text can name a direction; raises `FaceError` where nothing can."""
    if not isinstance(text, str):
        raise FaceError(f"name {short(text)}: expected text")
    characters = unicodedata.normalize("NFC", text[: 4 * MAX_NAME])
    kept = [c if unicodedata.category(c)[0] in "LMN" or c in "'/()-" else " " for c in characters]  # M: accents
    name = " ".join("".join(kept).split())[:MAX_NAME].strip()
    if not any(c.isalnum() for c in name):
        raise FaceError(f"name {short(text)}: expected letters or digits")
    return name


def whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number within limits, as JSON or JavaScript may write it; raises `FaceError`."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)  # JavaScript knows no other numbers
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FaceError(f"{name} {short(value)}: expected a whole number from {low} to {high}")
    return value


def number(name: str, value: object, low: float, high: float) -> float:
    """A number within limits, rounded to what a link keeps; raises `FaceError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise FaceError(f"{name} {short(value)}: expected a number from {low:g} to {high:g}")
    return round(float(value), _DECIMALS) + 0.0  # no -0.0


def parse_int(name: str, text: str) -> int:
    """A whole number out of a link; raises `FaceError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise FaceError(f"{name} {short(text)}: expected a whole number of 0 or more")
    return int(text)


def parse_float(name: str, text: str) -> float:
    """A number out of a link; raises `FaceError`."""
    try:
        return float(text)
    except ValueError:
        raise FaceError(f"{name} {short(text)}: expected a number") from None


def parse_pairs(text: str) -> list[tuple[int, float]]:
    """'3:0.5,17:-1.25' of a link: dimensions and what is added to them; raises `FaceError`."""
    pairs = []
    for part in text.split(","):
        dimension, colon, value = part.partition(":")
        if not colon:
            raise FaceError(f"z={short(text)}: expected dimension:value pairs with commas, like 3:0.5,17:-1.25")
        pairs.append((parse_int("dimension", dimension), parse_float("offset", value)))
    return pairs


def parse_moves(text: str) -> dict[str, float]:
    """'Smile:1.5,Hat:-2' of a link: directions and how far each is moved; raises `FaceError`."""
    moves = {}
    for part in text.split(","):
        name, colon, value = part.partition(":")
        if not colon:
            raise FaceError(f"move={short(text)}: expected name:value pairs with commas, like Smile:1.5,Hat:-2")
        moves[name] = parse_float("direction", value)
    return moves


def short(value: object) -> str:
    """Of what a stranger sent, as much as a sentence can show."""
    try:
        text = repr(value[:40] if isinstance(value, (str, list, tuple)) else value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists in lists without end
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."


def without_place(sentence: str, folder: Path) -> str:
    """A sentence without where the models lie on this machine, which is no visitor's business."""
    return sentence.replace(f"{folder.parent}{os.sep}", "")
