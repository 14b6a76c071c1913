"""The HTML of the Explore tab. Everything that a file or a visitor named is escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import numpy as np

from gan.ui.drawing import Frame, picture_uri, thumbnail_uri
from gan.ui.library import Entry
from gan.ui.state import MAX_NAME, MAX_OWN, Face

HEADER = """
<header>
  <svg viewBox="0 0 40 40" aria-hidden="true"><rect width="40" height="40" rx="11"/>
    <g><rect x="10" y="11" width="7" height="7" rx="2"/><rect x="23" y="11" width="7" height="7" rx="2"/>
    <rect x="10" y="23" width="6" height="6" rx="2"/><rect x="17" y="24" width="6" height="6" rx="2"/>
    <rect x="24" y="23" width="6" height="6" rx="2"/></g></svg>
  <div><h1>GAN Faces</h1>
  <p>Pictures of nobody: a small neural network draws each one from a row of random numbers.
  <b>Move a number, and the face follows.</b></p></div>
</header>
"""

WAITING = '<div class="picture waiting" role="status" aria-label="The first face is being drawn"></div>'

NO_MODEL = (
    "There is no model here yet. `python train.py --preset smooth-mnist28 --data mnist` makes one that draws digits, "
    "in minutes on a laptop, and it shows up on this page while it still learns."
)

TOOLS = """
<div class="tools" role="toolbar" aria-label="Keep and share this face">
  <button type="button" data-do="link" title="The whole state, in one link">Copy link</button>
  <button type="button" data-do="save" title="A PNG that remembers how it was made">Save PNG</button>
  <button type="button" data-do="open" title="A PNG that was saved here; dropping it on the page does the same">
    Open PNG</button>
  <input type="file" accept="image/png" hidden aria-label="PNG that was saved here">
</div>
<p class="said"><span role="status" aria-live="polite"></span>
  <input class="link" readonly hidden aria-label="Link to this face"></p>
"""

SHAPE_HEAD = """
<h2>The numbers behind it</h2>
<p>The seed stands for a row of random numbers, z. A slider adds to one of them, or to many at once in a direction
that means something.</p>
"""


def frame(entry: Entry, face: Face, drawn: Frame, smooth: bool, note: str = "") -> str:
    """The large picture with its facts.

    Args:
        entry: the face's model.
        face: what is shown; goes into the link.
        drawn: its picture.
        smooth: enlarge it without visible pixels.
        note: a sentence to show above, none if empty.
    """
    config = entry.info.config
    changed = f", {face.changes} sliders moved" if face.changes else ""
    alt = escape(f"Picture that {face.model} draws for {face.origin}{changed}")
    seed = "" if face.latent else face.seed  # no face of the grid is this one
    size = f'width="{config.image_size}" height="{config.image_size}"'
    kind = "picture" if smooth else "picture pixels"
    training = '<span class="live">still training</span>' if entry.in_training else ""
    return (
        (f'<p class="note" role="status">{escape(note)}</p>' if note else "")
        + f'<div class="{kind}" {_state(face)} data-query="{escape(face.to_query())}" data-seed="{seed}">'
        f'<img src="{picture_uri(drawn.pixels, smooth)}" {size} decoding="sync" alt="{alt}"></div>'
        f'<div class="facts">{_critic(drawn.score)}<p class="speed">'
        f"<span>{config.image_size} × {config.image_size} pixels from {config.z_dim} numbers{training}</span>"
        f"<span><b>{drawn.milliseconds:.1f}</b> ms a frame</span></p></div>"
    )


def notice(text: str, face: Face | None = None) -> str:
    """In the picture's place: why there is none. `face` is kept as the page's state; backquotes in `text` mark code."""
    state = _state(face) if face else ""
    text = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f'<div class="picture notice" role="alert" {state}><p>{text}</p></div><div class="facts"></div>'


def faces(images: np.ndarray, seeds: Sequence[int], largest: int) -> str:
    """The grid of faces to take over.

    Args:
        images: (N, H, W, C) uint8, of `seeds`.
        seeds: consecutive.
        largest: seed that a grid can begin with.
    """
    size = images.shape[1]
    cells = "".join(
        f'<div class="cell"><button type="button" data-seed="{seed}" aria-label="Take over the face of seed {seed}">'
        f'<img src="{thumbnail_uri(pixels)}" width="{size}" height="{size}" alt=""><span>{seed}</span></button>'
        f'<div class="marks">{_mark(seed, "+", "has it")}{_mark(seed, "−", "has it not")}</div></div>'
        for seed, pixels in zip(seeds, images, strict=True)
    )
    first, n = seeds[0], len(seeds)
    return (
        '<div class="grid-head"><div><h2>More faces</h2>'
        f"<p>Seeds {first} to {first + n - 1}, unchanged. Choose one and go on from there.</p></div>"
        '<div class="turn">'
        f'<button type="button" data-start="{max(0, first - n)}"{" disabled" * (first == 0)} '
        'aria-label="Faces before these">←</button>'
        f'<button type="button" data-start="{min(largest, first + n)}"{" disabled" * (first >= largest)} '
        'aria-label="Faces after these">→</button></div></div>'
        f'<div class="faces">{cells}</div>'
    )


def maker(face: Face) -> str:
    """Where a visitor makes directions, and those that there are for the face's model."""
    own = [direction for direction in face.own if direction.model == face.model]
    made = "".join(
        f"<li><b>{escape(direction.name)}</b> {len(direction.has)} faces against {len(direction.lacks)}"
        f'<button type="button" data-remove="{escape(direction.name)}" '
        f'aria-label="Remove {escape(direction.name)}">Remove</button></li>'
        for direction in own
    )
    full = len(face.own) >= MAX_OWN
    elsewhere = len(face.own) - len(own)
    return (
        "<p>Make your own slider: mark faces below, <b>+</b> where they have something in common and <b>−</b> where "
        "they lack it. Four of each are a good start; what sets them apart becomes a slider.</p>"
        f'<form data-model="{escape(face.model)}" data-made="{len(own)}">'
        '<div class="marked" data-of="+"><b>+</b></div><div class="marked" data-of="−"><b>−</b></div>'
        f'<input name="name" maxlength="{MAX_NAME}" placeholder="What they have" autocomplete="off" '
        f'aria-label="Name of the new slider"{" disabled" * full}>'
        f'<button type="submit"{" disabled" * full}>Make a slider</button></form>'
        f'<p class="told" role="status">{_full(elsewhere) if full else ""}</p>'
        + (f'<ul class="made">{made}</ul>' if made else "")
    )


def _full(elsewhere: int) -> str:
    where = f" ({elsewhere} of them on another model)" if elsewhere else ""
    return f"There are {MAX_OWN} sliders of yours{where}: remove one to make another."


def _mark(seed: int, sign: str, words: str) -> str:
    return f'<button type="button" data-mark="{sign}" data-of="{seed}" aria-label="Seed {seed} {words}">{sign}</button>'


def _state(face: Face) -> str:
    return f'data-face="{escape(face.to_json())}"'


def _critic(score: float | None) -> str:
    if score is None:
        return '<p class="critic">There is no critic that could judge this picture.</p>'
    percent = round(100 * score)
    return (
        f'<div class="critic" title="The discriminator, the network that the generator learned to fool, judges this '
        f'picture"><span>Critic</span><span class="meter"><i style="width:{percent}%"></i></span>'
        f"<span><b>{percent} %</b> sure that it is a real picture</span></div>"
    )
