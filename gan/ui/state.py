"""What the page shows, in one small serialisable form: in a link, in a picture's metadata, in a request.

Every value may come from a stranger's link or file, so each is checked and bounded here, once.
"""

from __future__ import annotations

import json
import math
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch

from gan.config import GANConfig
from gan.sampling import MAX_SEED, latents, truncate

MAX_TRUNCATION = 1.5  # beyond it every generator leaves what it was trained on
MAX_OFFSET = 3.0  # added to one latent number; +-3 covers what a normal z takes
MAX_DIMENSIONS = 1024
MAX_TEXT = 40_000  # characters of JSON: all dimensions moved take half of it
_DECIMALS = 3  # what is kept of a value, so that a link restores exactly what was shown


class FaceError(ValueError):
    """A state that cannot be used; the message says what was given and what was expected."""


@dataclass(frozen=True)
class Face:
    """One picture that the page can show.

    Attributes:
        model: name of a `gan.ui.library.Entry`.
        seed: 0 to 2^32 - 1.
        truncation: psi, 0 to `MAX_TRUNCATION`.
        offsets: (dimension, added value) pairs in order of dimension, none of them 0; a mapping or other
            pairs are accepted and brought into this form. Dimensions count from 0, values are
            -`MAX_OFFSET` to `MAX_OFFSET`.

    Raises:
        FaceError: a value of the wrong kind or out of range.
    """

    model: str
    seed: int = 0
    truncation: float = 1.0
    offsets: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model or len(self.model) > 200:
            raise FaceError("model: expected the name of a model, 1 to 200 characters")
        seed = _whole("seed", self.seed, 0, MAX_SEED)
        truncation = _number("truncation", self.truncation, 0, MAX_TRUNCATION)
        object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "truncation", truncation)
        object.__setattr__(self, "offsets", _offsets(self.offsets))

    def z(self, config: GANConfig) -> torch.Tensor:
        """z: (1, z_dim) float32: the seed's latent vector, truncated, then moved by the offsets.

        Raises:
            FaceError: an offset in a dimension that the model does not have.
        """
        z = truncate(latents(config, [self.seed]), self.truncation)
        for dimension, value in self.offsets:
            if dimension >= config.z_dim:
                raise FaceError(
                    f"offset in dimension {dimension}: {self.model} has {config.z_dim} dimensions, "
                    f"numbered 0 to {config.z_dim - 1}"
                )
            z[0, dimension] += value
        return z

    def fitted(self, config: GANConfig) -> Face:
        """Without the offsets in dimensions that a model of this config does not have."""
        return replace(self, offsets=tuple(pair for pair in self.offsets if pair[0] < config.z_dim))

    def to_query(self) -> str:
        """'model=faces64&seed=7&truncation=0.8&z=3:0.5,17:-1.25', to follow a '?'."""
        values = {"model": self.model, "seed": str(self.seed), "truncation": f"{self.truncation:g}"}
        if self.offsets:
            values["z"] = ",".join(f"{dimension}:{value:g}" for dimension, value in self.offsets)
        return urllib.parse.urlencode(values, safe="/:,")

    @classmethod
    def from_query(cls, values: Mapping[str, str], default: Face) -> Face:
        """The reverse of `to_query`, from parsed parameters; what is missing comes from `default`.

        A link that names another model or seed than `default` starts without default's offsets.

        Raises:
            FaceError: a value that cannot be read or is out of range.
        """
        if not any(key in values for key in ("model", "seed", "truncation", "z")):
            return default
        return cls(
            values.get("model", default.model),
            _parse_int("seed", values["seed"]) if "seed" in values else default.seed,
            _parse_float("truncation", values["truncation"]) if "truncation" in values else default.truncation,
            _parse_pairs(values["z"]) if values.get("z") else (),
        )

    def to_json(self) -> str:
        """One line of JSON, also what a downloaded picture carries."""
        return json.dumps(
            {
                "model": self.model,
                "seed": self.seed,
                "truncation": self.truncation,
                "offsets": {str(dimension): value for dimension, value in self.offsets},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Face:
        """The reverse of `to_json`; raises `FaceError` where the text is none of it or a value out of range."""
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise FaceError(f"no state of this page: expected JSON of at most {MAX_TEXT:,} characters")
        try:
            values = json.loads(text)
            return cls(values["model"], values["seed"], values["truncation"], values.get("offsets", {}))
        except FaceError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FaceError(
                f"no state of this page ({type(error).__name__}): expected JSON with model, seed, truncation, offsets"
            ) from error


def _offsets(given: Mapping[int | str, float] | Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        raise FaceError('offsets: expected dimensions and values, like {"3": 0.5, "17": -1.25}') from None
    if len(pairs) > MAX_DIMENSIONS:
        raise FaceError(f"{len(pairs)} offsets: expected at most {MAX_DIMENSIONS}")
    kept = {}
    for key, value in pairs.items():
        dimension = _parse_int("dimension", key) if isinstance(key, str) else key  # JSON has no other keys
        dimension = _whole("dimension", dimension, 0, MAX_DIMENSIONS - 1)
        kept[dimension] = _number("offset", value, -MAX_OFFSET, MAX_OFFSET)
    return tuple(sorted((dimension, value) for dimension, value in kept.items() if value))


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)  # JavaScript knows no other numbers
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FaceError(f"{name} {_short(value)}: expected a whole number from {low} to {high}")
    return value


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise FaceError(f"{name} {_short(value)}: expected a number from {low:g} to {high:g}")
    return round(float(value), _DECIMALS) + 0.0  # no -0.0


def _parse_int(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise FaceError(f"{name} {_short(text)}: expected a whole number of 0 or more")
    return int(text)


def _parse_float(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FaceError(f"{name} {_short(text)}: expected a number") from None


def _parse_pairs(text: str) -> list[tuple[int, float]]:
    pairs = []
    for part in text[:MAX_TEXT].split(","):
        dimension, colon, value = part.partition(":")
        if not colon:
            raise FaceError(f"z={_short(text)}: expected dimension:value pairs with commas, like 3:0.5,17:-1.25")
        pairs.append((_parse_int("dimension", dimension), _parse_float("offset", value)))
    return pairs


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
