"""What the page shows, in one small serialisable form: in a link, in a picture's metadata, in a request.

Every value may come from a stranger's link or file, so each is checked and bounded here and in `gan.ui.values`, once.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from gan.config import GANConfig
from gan.latent.directions import REACH
from gan.sampling import MAX_SEED, latents
from gan.ui.values import (
    MAX_DIMENSIONS,
    FaceError,
    clean_name,
    decode_latent,
    encode_latent,
    number,
    parse_float,
    parse_int,
    parse_moves,
    parse_pairs,
    short,
    whole,
)

MAX_TRUNCATION = 1.5  # beyond it every generator leaves what it was trained on
MAX_OFFSET = 3.0  # added to one latent number; +-3 covers what a normal z takes
MAX_DIRECTION = REACH  # of a direction's slider
MAX_MOVED = 64  # directions moved at a time
MAX_OWN = 4  # directions that a visitor made
MAX_MARKED = 32  # faces in each of the two lists that make one
OWN_MARK = "~"  # before the name of an own direction, so that it is never taken for one of the model's
MAX_TEXT = 40_000  # characters of JSON: all dimensions moved take half of it
PARAMETERS = ("model", "seed", "truncation", "latent", "move", "z", "own", "pad")  # of a link


@dataclass(frozen=True)
class OwnDirection:
    """A direction that a visitor made: from the mean of some faces towards the mean of others.

    Attributes:
        name: letters, digits, spaces and - ' / ( ), at most `MAX_NAME`; anything else is left out.
        model: whose faces were marked; on another model the same seeds are other faces.
        has: seeds of faces with the property, 1 to `MAX_MARKED`, in order.
        lacks: likewise without it; no seed is in both.

    Raises:
        FaceError: a value of the wrong kind or out of range.
    """

    name: str
    model: str
    has: tuple[int, ...]
    lacks: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean_name(self.name))
        object.__setattr__(self, "model", _model(self.model))
        object.__setattr__(self, "has", _seeds("faces with the property", self.has))
        object.__setattr__(self, "lacks", _seeds("faces without the property", self.lacks))
        if both := set(self.has) & set(self.lacks):
            raise FaceError(f"seed {min(both)} is marked both ways: expected different faces in the two lists")

    @property
    def key(self) -> str:
        """What names it among `Face.directions`."""
        return OWN_MARK + self.name


@dataclass(frozen=True)
class Face:
    """One picture that the page can show: z = base + directions + offsets, drawn at a truncation.

    Attributes:
        model: name of a `gan.ui.library.Entry`.
        seed: 0 to 2^32 - 1.
        truncation: psi, 0 to `MAX_TRUNCATION`, see `gan.sampling.generate`.
        offsets: (dimension, added value) pairs in order of dimension, none of them 0; a mapping or other
            pairs are accepted and brought into this form. Dimensions count from 0, values are
            -`MAX_OFFSET` to `MAX_OFFSET`.
        latent: an own z as `encode_latent` writes it, in the place of the seed's; "" is the seed's.
        directions: (name, value) pairs in order of name, none of them 0, accepted in the same forms as offsets;
            a name is one of the model's directions or the key of an own one, values are -`MAX_DIRECTION` to
            `MAX_DIRECTION`.
        own: the `OwnDirection`s that there are, moved or not; at most `MAX_OWN`, no two of one key and model.
        pad: the two sliders, "truncation", "z:3" or "move:Smile", that the pad moves across and up; () if it is closed.

    Raises:
        FaceError: a value of the wrong kind or out of range.
    """

    model: str
    seed: int = 0
    truncation: float = 1.0
    offsets: tuple[tuple[int, float], ...] = ()
    latent: str = ""
    directions: tuple[tuple[str, float], ...] = ()
    own: tuple[OwnDirection, ...] = ()
    pad: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", _model(self.model))
        object.__setattr__(self, "seed", whole("seed", self.seed, 0, MAX_SEED))
        object.__setattr__(self, "truncation", number("truncation", self.truncation, 0, MAX_TRUNCATION))
        object.__setattr__(self, "offsets", _offsets(self.offsets))
        object.__setattr__(self, "latent", encode_latent(decode_latent(self.latent)) if self.latent != "" else "")
        object.__setattr__(self, "directions", _directions(self.directions))
        object.__setattr__(self, "own", _own(self.own))
        object.__setattr__(self, "pad", _pad(self.pad))

    @property
    def changes(self) -> int:
        """Sliders that are not at 0."""
        return len(self.offsets) + len(self.directions)

    @property
    def origin(self) -> str:
        """Where the base comes from, in words."""
        return "a latent of its own" if self.latent else f"seed {self.seed}"

    def base(self, config: GANConfig) -> Tensor:
        """z: (1, z_dim) float32: the own latent or else the seed's, untouched.

        Raises:
            FaceError: an own latent of another length than the model's.
        """
        if not self.latent:
            return latents(config, [self.seed])
        z = decode_latent(self.latent)
        if len(z) != config.z_dim:
            raise FaceError(f"latent of {len(z)} numbers: {self.model} has {config.z_dim}")
        return z[None]

    def z(self, config: GANConfig, vectors: Mapping[str, Tensor] | None = None) -> Tensor:
        """z: (1, z_dim) float32: the base, moved by the directions and the offsets.

        Args:
            config: the model's.
            vectors: what each direction's value 1 adds, (z_dim,); `gan.ui.drawing.latent` gathers them.

        Raises:
            FaceError: a direction that is not in `vectors`, an own latent of another length than the model's, or
                an offset in a dimension that it does not have.
        """
        z = self.base(config)
        for name, value in self.directions:
            if name not in (vectors or {}):
                there = f"it has {', '.join(vectors)}" if vectors else "it has none"
                raise FaceError(f"{self.model} has no direction {short(name)}: {there}")
            z = z + value * vectors[name]
        for dimension, value in self.offsets:
            if dimension >= config.z_dim:
                raise FaceError(
                    f"offset in dimension {dimension}: {self.model} has {config.z_dim} dimensions, "
                    f"numbered 0 to {config.z_dim - 1}"
                )
            z[0, dimension] += value
        return z

    def fitted(self, config: GANConfig, names: Iterable[str] = ()) -> Face:
        """Without what a model of this config and these directions does not have; own directions are kept."""
        known = {*names, *(direction.key for direction in self.own if direction.model == self.model)}
        sliders = {"truncation", *(f"move:{name}" for name in known), *(f"z:{i}" for i in range(config.z_dim))}
        return replace(
            self,
            offsets=tuple(pair for pair in self.offsets if pair[0] < config.z_dim),
            latent=self.latent if self.latent and len(decode_latent(self.latent)) == config.z_dim else "",
            directions=tuple(pair for pair in self.directions if pair[0] in known),
            pad=self.pad if sliders.issuperset(self.pad) else (),
        )

    def to_query(self) -> str:
        """'model=faces64&seed=7&truncation=0.8&move=Smile:1.5&z=3:0.5,17:-1.25', to follow a '?'."""
        values = {"model": self.model, "seed": str(self.seed), "truncation": f"{self.truncation:g}"}
        if self.latent:
            values["latent"] = self.latent
        if self.directions:
            values["move"] = ",".join(f"{name}:{value:g}" for name, value in self.directions)
        if self.offsets:
            values["z"] = ",".join(f"{dimension}:{value:g}" for dimension, value in self.offsets)
        if self.own:
            values["own"] = ",".join(_own_text(direction, self.model) for direction in self.own)
        if self.pad:
            values["pad"] = ",".join(self.pad)
        return urllib.parse.urlencode(values, safe="/:,~")

    @classmethod
    def from_query(cls, values: Mapping[str, str], default: Face) -> Face:
        """The reverse of `to_query`, from parsed parameters.

        Model, seed and truncation that a link does not give come from `default`. Changes do not: what a link does not
        move is at 0. Without any parameter of ours it is `default` itself.

        Raises:
            FaceError: a value that cannot be read or is out of range.
        """
        if not any(key in values for key in PARAMETERS):
            return default
        model = values.get("model", default.model)
        return cls(
            model,
            parse_int("seed", values["seed"]) if "seed" in values else default.seed,
            parse_float("truncation", values["truncation"]) if "truncation" in values else default.truncation,
            parse_pairs(values["z"][:MAX_TEXT]) if values.get("z") else (),
            values.get("latent", ""),
            parse_moves(values["move"][:MAX_TEXT]) if values.get("move") else (),
            _parse_own(values["own"], model) if values.get("own") else (),
            values["pad"].split(",") if values.get("pad") else (),
        )

    def to_json(self) -> str:
        """One line of JSON, also what a downloaded picture carries."""
        return json.dumps(
            {
                "model": self.model,
                "seed": self.seed,
                "truncation": self.truncation,
                "offsets": {str(dimension): value for dimension, value in self.offsets},
                "latent": self.latent,
                "directions": dict(self.directions),
                "own": [vars(direction) for direction in self.own],
                "pad": self.pad,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Face:
        """The reverse of `to_json`; raises `FaceError` where the text is none of it or a value out of range."""
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise FaceError(f"no state of this page: expected JSON of at most {MAX_TEXT:,} characters")
        try:
            values = json.loads(text)
            return cls(
                values["model"],
                values["seed"],
                values["truncation"],
                values.get("offsets", {}),
                values.get("latent", ""),
                values.get("directions", {}),
                tuple(OwnDirection(**direction) for direction in values.get("own", ())),
                values.get("pad", ()),
            )
        except FaceError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FaceError(
                f"no state of this page ({type(error).__name__}): expected JSON with model, seed, truncation, offsets"
            ) from error


def model_of(text: object) -> str:
    """The model of a state as `Face.to_json` writes it, "" where it is none."""
    try:
        return Face.from_json(text).model
    except FaceError:
        return ""


def _model(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or any("\ud800" <= c <= "\udfff" for c in value):
        raise FaceError(f"model {short(value)}: expected the name of a model, 1 to 200 characters")
    return value  # without halves of characters, which no link can hold


def _seeds(what: str, given: object) -> tuple[int, ...]:
    if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= MAX_MARKED:
        raise FaceError(f"{what}: expected 1 to {MAX_MARKED} seeds")
    return tuple(sorted({whole("seed", seed, 0, MAX_SEED) for seed in given}))


def _own(given: Iterable[OwnDirection]) -> tuple[OwnDirection, ...]:
    own = tuple(given)
    if len(own) > MAX_OWN:
        raise FaceError(f"{len(own)} own directions: expected at most {MAX_OWN}; remove one first")
    if len({(direction.model, direction.name) for direction in own}) < len(own):
        raise FaceError("two own directions of one name: give the new one another name")
    return own


def _own_text(direction: OwnDirection, model: str) -> str:
    parts = [direction.name, ".".join(map(str, direction.has)), ".".join(map(str, direction.lacks))]
    if direction.model != model:
        parts.append(urllib.parse.quote(direction.model, safe=""))
    return ":".join(parts)


def _parse_own(text: str, model: str) -> tuple[OwnDirection, ...]:
    own = []
    for part in text[:MAX_TEXT].split(","):
        name, *rest = part.split(":")
        if not 2 <= len(rest) <= 3:
            raise FaceError(f"own={short(text)}: expected name:seeds:seeds with commas, like Hat:3.17:5.9")
        has, lacks = (tuple(parse_int("seed", seed) for seed in seeds.split(".")) for seeds in rest[:2])
        own.append(OwnDirection(name, urllib.parse.unquote(rest[2]) if len(rest) == 3 else model, has, lacks))
    return tuple(own)


def _pad(given: object) -> tuple[str, ...]:
    keys = tuple(given) if isinstance(given, (list, tuple)) else (None,)
    if keys and not (len(keys) == 2 and keys[0] != keys[1] and all(map(_is_slider, keys))):
        raise FaceError(f"pad {short(given)}: expected two sliders, like move:Smile and z:3")
    return keys


def _is_slider(key: object) -> bool:
    kind, _, name = key.partition(":") if isinstance(key, str) else ("", "", "")
    if kind == "z":
        return name.isascii() and name.isdigit() and name == str(int(name[:5])) and int(name) < MAX_DIMENSIONS
    return key == "truncation" or (kind == "move" and _is_name(name))


def _directions(given: Mapping[str, float] | Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        raise FaceError('directions: expected names and values, like {"Smile": 1.5}') from None
    if len(pairs) > MAX_MOVED:
        raise FaceError(f"{len(pairs)} directions: expected at most {MAX_MOVED}")
    kept = {}
    for name, value in pairs.items():
        if not isinstance(name, str) or not _is_name(name):
            raise FaceError(f"direction {short(name)}: expected its name")
        kept[name] = number(f"direction {name}:", value, -MAX_DIRECTION, MAX_DIRECTION)
    return tuple(sorted((name, value) for name, value in kept.items() if value))


def _offsets(given: Mapping[int | str, float] | Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        raise FaceError('offsets: expected dimensions and values, like {"3": 0.5, "17": -1.25}') from None
    if len(pairs) > MAX_DIMENSIONS:
        raise FaceError(f"{len(pairs)} offsets: expected at most {MAX_DIMENSIONS}")
    kept = {}
    for key, value in pairs.items():
        dimension = parse_int("dimension", key) if isinstance(key, str) else key  # JSON has no other keys
        dimension = whole("dimension", dimension, 0, MAX_DIMENSIONS - 1)
        kept[dimension] = number("offset", value, -MAX_OFFSET, MAX_OFFSET)
    return tuple(sorted((dimension, value) for dimension, value in kept.items() if value))


def _is_name(text: str) -> bool:
    return any(c.isalnum() for c in text) and text.removeprefix(OWN_MARK) == clean_name(text)
