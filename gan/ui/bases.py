"""Which sliders the Explore tab shows: bases, their pages, and the value of each slider."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from gan.latent.directions import ATTRIBUTE, GANSPACE, SEFA, Direction
from gan.ui.state import MAX_DIMENSIONS, OWN_MARK, Face

SLIDERS = 16  # on the page at a time
ATTRIBUTES, PRINCIPAL, RAW, OWN = "Attributes", "Principal", "z", "Yours"
_OWN_LABEL = " (yours)"  # static/stage.js knows a slider's kind by its label, too

Pages = dict[str, list[str]]  # labels of the sliders by the page's label


def bases(face: Face, z_dim: int, directions: Iterable[Direction]) -> dict[str, Pages]:
    """The bases that this face's model has, and their pages, each of at most `SLIDERS` sliders.

    Args:
        face: whose own directions count; its model is the one shown.
        z_dim: numbers in the model's z.
        directions: of the model.
    """
    by_kind: dict[str, list[str]] = {}
    for direction in directions:
        by_kind.setdefault(direction.kind, []).append(direction.name)
    own = [direction.name + _OWN_LABEL for direction in face.own if direction.model == face.model]
    principal = {"SeFa": by_kind.get(SEFA, []), "GANSpace": by_kind.get(GANSPACE, [])}
    found = {
        ATTRIBUTES: _pages(by_kind.get(ATTRIBUTE, []), first=1),
        PRINCIPAL: {name: labels[:SLIDERS] for name, labels in principal.items() if labels},
        RAW: _pages([f"z {i}" for i in range(min(z_dim, MAX_DIMENSIONS))], first=0),
        OWN: {"": own},
    }
    return {basis: pages for basis, pages in found.items() if pages}


def choose(available: dict[str, Pages], face: Face, basis: object = None, page: object = None) -> tuple[str, str]:
    """The basis and page to show: those wanted if there are any, else those of a moved slider, else the first."""
    if not isinstance(basis, str) or basis not in available:
        basis = _first({name: itertools.chain(*pages.values()) for name, pages in available.items()}, face)
    if not isinstance(page, str) or page not in available[basis]:
        page = _first(available[basis], face)
    return basis, page


def value(face: Face, label: str) -> float:
    """Where the slider of a label stands."""
    if label.startswith("z ") and label[2:].isdecimal():
        return dict(face.offsets).get(int(label[2:]), 0)
    key = OWN_MARK + label.removesuffix(_OWN_LABEL) if label.endswith(_OWN_LABEL) else label
    return dict(face.directions).get(key, 0)


def _first(groups: Mapping[str, Iterable[str]], face: Face) -> str:
    """The first group with a moved slider, or else the first."""
    moved = (name for name, labels in groups.items() if any(value(face, label) for label in labels))
    return next(moved, next(iter(groups)))


def _pages(labels: Sequence[str], first: int) -> Pages:
    """Pages named by the numbers of their sliders, counted from `first`."""
    return {
        f"{at + first}–{min(at + SLIDERS, len(labels)) - 1 + first}": list(labels[at : at + SLIDERS])
        for at in range(0, len(labels), SLIDERS)
    }
