"""What pictures are and where they came from: recorded by what read them, in config.json, never guessed from names.

Kept apart from `gan.data.sources`, so that reading a model folder imports no decoder.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

FACES, DIGITS, UNKNOWN = "faces", "digits", "unknown"
KINDS = (FACES, DIGITS, UNKNOWN)  # photographs of faces, handwritten digits, or anything else
CELEBA, MNIST, DRAWN = "celeba", "mnist", "drawn"  # terms that `gan.report.card` has a text for
_HASHED_AT_ONCE = 64 * 2**20  # bytes


@dataclass(frozen=True)
class SourceRecord:
    """One source of pictures.

    Attributes:
        name: what people call it, without folders of this machine: "CelebA", "faces.zip".
        source: what stands for it after --data: "celeba", "faces.zip", "drawn:500"; "" where that is not known.
        kind: one of `KINDS`.
        terms: `CELEBA`, `MNIST`, `DRAWN`, a sentence of whoever knows them, or "" where nobody said.
        split: the official splits that these pictures are of, like "training" or "validation, test"; "" where all of
            the source's pictures were taken, or nobody split them.
    """

    name: str
    source: str = ""
    kind: str = UNKNOWN
    terms: str = ""
    split: str = ""

    @property
    def is_built_in(self) -> bool:
        """Whether the source itself knows what it is."""
        return is_built_in(self.source)

    def told_by(self, other: SourceRecord) -> SourceRecord:
        """This record with what another one of the same source says; a built-in source knows itself."""
        if self.is_built_in:
            return self
        kind = self.kind if other.kind == UNKNOWN else other.kind
        return SourceRecord(self.name, other.source or self.source, kind, other.terms or self.terms, self.split)


@dataclass(frozen=True)
class DataRecord:
    """The pictures of a training.

    Attributes:
        parts: their sources, in order.
        images: how many pictures they hold.
        identity: `identity_of` the decoded pictures; "" where it was not recorded.
        files: digits that differ whenever the files do that they were decoded from; "" likewise.
    """

    parts: tuple[SourceRecord, ...]
    images: int = 0
    identity: str = ""
    files: str = ""

    @property
    def words(self) -> str:
        """The sources' names: "CelebA + faces.zip"."""
        return " + ".join(part.name for part in self.parts)

    @property
    def kind(self) -> str:
        """What all of the pictures show; `UNKNOWN` where they differ."""
        return kind_of(self.parts)

    @property
    def split(self) -> str:
        """The official splits that all of the pictures are of; "" where that does not hold for all."""
        splits = {part.split for part in self.parts}
        return splits.pop() if len(splits) == 1 else ""

    def is_same(self, other: DataRecord) -> bool:
        """Whether both are the same pictures: by content, or where that was not recorded by names and number.

        The same files are the same pictures, though another version of a decoder may make other pixels of them.
        """
        if self.files and (self.files, self.images) == (other.files, other.images):
            return True
        if self.identity and other.identity:
            return self.identity == other.identity
        return (self.words, self.images) == (other.words, other.images)

    def told_by(self, other: DataRecord) -> DataRecord:
        """This record of the same pictures with what another one adds to it; nothing is taken away.

        Where sources differ, both are named, and the terms of both hold.
        """
        if [part.name for part in self.parts] == [part.name for part in other.parts]:
            parts = tuple(old.told_by(new) for old, new in zip(self.parts, other.parts, strict=True))
        elif self.identity:
            parts = self.parts
        else:
            parts = tuple(dict.fromkeys(self.parts + other.parts))
        return DataRecord(parts, other.images, other.identity, other.files or self.files)

    def to_dict(self) -> dict:
        """JSON-ready; "sources" is for people, "parts" for code."""
        return {
            "sources": self.words,
            "images": self.images,
            "identity": self.identity,
            **({"files": self.files} if self.files else {}),
            # without "split" where there is none: older versions read that too
            "parts": [{k: v for k, v in dataclasses.asdict(part).items() if v or k != "split"} for part in self.parts],
        }

    @classmethod
    def from_dict(cls, content: dict) -> DataRecord:
        """The reverse of `to_dict`; raises KeyError or TypeError for anything else.

        A record of an older version has no parts: those that it calls as built-in sources are called are these.
        """
        if type(content["sources"]) is not str or type(content["images"]) is not int:
            raise TypeError("data: expected sources in words, and a whole number of images")
        if "parts" not in content:
            return cls.from_words(content["sources"], content["images"])
        parts = tuple(SourceRecord(**part) for part in content["parts"])
        files = content.get("files", "")  # an older version knows none
        texts = [content["identity"], files, *(text for part in parts for text in dataclasses.astuple(part))]
        if not all(type(text) is str for text in texts) or not all(part.kind in KINDS for part in parts):
            raise TypeError(f"data: expected texts, and kinds that are one of {', '.join(KINDS)}")
        return cls(parts, content["images"], content["identity"], files)

    @classmethod
    def from_words(cls, words: str, images: int = 0) -> DataRecord:
        """What an older version wrote in words, "CelebA + faces.zip": names of built-in sources, else nothing known."""
        built_in = {part.name: part for part in BUILT_IN.values()}
        return cls(tuple(built_in.get(name, SourceRecord(name)) for name in words.split(" + ")), images)


BUILT_IN = {
    "mnist": SourceRecord("MNIST", "mnist", DIGITS, MNIST),
    "mnist-test": SourceRecord("MNIST test set", "mnist-test", DIGITS, MNIST),
    "celeba": SourceRecord("CelebA", "celeba", FACES, CELEBA),
    "drawn": SourceRecord("drawn faces", "drawn", UNKNOWN, DRAWN),  # no classifier here knows drawn faces
}


def is_built_in(source: str) -> bool:
    """Whether a word after --data names a source of this project's own, "drawn:500" too."""
    return source in BUILT_IN or source.startswith("drawn:")


def kind_of(parts: Iterable[SourceRecord]) -> str:
    """What all of the sources' pictures show; `UNKNOWN` where they differ."""
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else UNKNOWN


def identity_of(images: np.ndarray) -> str:
    """32 hexadecimal digits that differ whenever pictures do: of the SHA-256 of their shape and pixels, in order.

    Args:
        images: (N, H, W, C) uint8.
    """
    hashed = hashlib.sha256(f"{images.dtype}{images.shape}".encode())
    at_once = max(1, _HASHED_AT_ONCE // max(1, images[:1].nbytes))
    for start in range(0, len(images), at_once):
        hashed.update(np.ascontiguousarray(images[start : start + at_once]))
    return hashed.hexdigest()[:32]
