"""Which sliders Explore shows: bases, their pages, and where each slider stands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gan.latent.directions import ATTRIBUTE, KINDS, PRINCIPAL_KINDS, Direction
from gan.ui.state import Face
from gan.ui.values import MAX_DIMENSIONS

SLIDERS = 16  # on the page at a time
ATTRIBUTES, PRINCIPAL, RAW, OWN = "Attributes", "Principal", "z", "Yours"


@dataclass(frozen=True)
class Slider:
    """One of the sliders that a face can have.

    Attributes:
        key: what it moves, in the words of a link: "z:3" the fourth number of z, "move:Smile" a direction.
        label: what the visitor reads.
    """

    key: str
    label: str

    def value(self, face: Face) -> float:
        """Where it stands."""
        kind, _, name = self.key.partition(":")
        return dict(face.offsets).get(int(name), 0) if kind == "z" else dict(face.directions).get(name, 0)


Pages = dict[str, list[Slider]]  # by the page's label


def bases(face: Face, z_dim: int, directions: Iterable[Direction]) -> dict[str, Pages]:
    """The bases that this face's model has, and their pages, each of at most `SLIDERS` sliders.

    Args:
        face: whose own directions count; its model is the one shown.
        z_dim: numbers in the model's z.
        directions: of the model.
    """
    by_kind: dict[str, list[Slider]] = {kind: [] for kind in KINDS}
    for direction in directions:
        by_kind[direction.kind].append(Slider(f"move:{direction.name}", direction.name))
    own = [Slider(f"move:{d.key}", f"{d.name} (yours)") for d in face.own if d.model == face.model]
    principal = {name: by_kind[kind] for kind, name in PRINCIPAL_KINDS.items()}
    found = {
        ATTRIBUTES: _pages(by_kind[ATTRIBUTE], first=1),
        PRINCIPAL: {name: sliders[:SLIDERS] for name, sliders in principal.items() if sliders},
        RAW: _pages([Slider(f"z:{i}", f"z {i}") for i in range(min(z_dim, MAX_DIMENSIONS))], first=0),
        OWN: {"": own},
    }
    return {basis: pages for basis, pages in found.items() if pages}


def choose(
    available: dict[str, Pages], face: Face, basis: object = None, page: object = None, key: object = None
) -> tuple[str, str]:
    """The basis and page to show: those of a slider's key, else those wanted if there are any, else those of a moved
    slider, else the first.
    """
    for name, pages in available.items():
        for label, sliders in pages.items():
            if any(slider.key == key for slider in sliders):
                return name, label
    if not isinstance(basis, str) or basis not in available:
        basis = _first({name: itertools.chain(*pages.values()) for name, pages in available.items()}, face)
    if not isinstance(page, str) or page not in available[basis]:
        page = _first(available[basis], face)
    return basis, page


def _first(groups: Mapping[str, Iterable[Slider]], face: Face) -> str:
    """The first group with a moved slider, or else the first."""
    moved = (name for name, sliders in groups.items() if any(slider.value(face) for slider in sliders))
    return next(moved, next(iter(groups)))


def _pages(sliders: list[Slider], first: int) -> Pages:
    """Pages named by the numbers of their sliders, counted from `first`."""
    return {
        f"{at + first}–{min(at + SLIDERS, len(sliders)) - 1 + first}": sliders[at : at + SLIDERS]
        for at in range(0, len(sliders), SLIDERS)
    }
