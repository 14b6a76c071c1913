"""What the browser's engine draws beside what Python draws, for `browser.py parity`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from browser import Bench

    from gan.ui.library import Library
    from gan.ui.state import Face

SEEDS = 10  # of each model, drawn by both

# Faces that the browser's engine draws: base64 of their pixels, RGBA. The model's files may still be made.
DRAWN = """
async (faces) => {
  const { href } = document.querySelector("link[href$='engine/local.js']");
  const { localEngine } = await import(href);
  const engine = localEngine(new URL("browser/", document.baseURI));
  for (let isThere = false; !isThere; )
    await engine.open(faces[0].model).then(
      () => { isThere = true; },
      (error) => {
        if (!error.again) throw error;
        return new Promise((waited) => setTimeout(waited, 1000 * error.again));
      },
    );
  const drawn = [];
  for (const face of faces) {
    const { picture, notice } = await engine.draw(face, false);
    if (!picture) throw new Error(notice);
    drawn.push(btoa(String.fromCharCode(...picture.data)));
  }
  engine.end();
  return drawn;
}
"""


def parity(bench: Bench, _: object, __: object, model: Path) -> None:
    from gan.ui.drawing import draw
    from gan.ui.library import Library

    library = Library([model.parent])
    print("| model | a pixel off by at most | pictures with one that is off by more than 1 |\n|---|---|---|")
    with bench.browser.new_context() as profile:
        page = profile.new_page()
        page.set_default_timeout(0)
        page.goto(f"{bench.url}/?model={bench.model}")
        page.wait_for_selector("#grid img")
        for entry in library.entries():
            faces = faces_of(library, entry.name)
            found = page.evaluate(DRAWN, [json.loads(face.to_json()) for face in faces])
            apart = []
            for face, content in zip(faces, found, strict=True):
                wanted = draw(library, face).pixels.astype(int)
                pixels = np.frombuffer(base64.b64decode(content), np.uint8).reshape(*wanted.shape[:2], 4)
                apart.append(int(np.abs(pixels[..., :3] - wanted).max()))
            print(f"| {entry.name} | {max(apart)} of 255 | {sum(value > 1 for value in apart)} of {len(apart)} |")
    print(f"{SEEDS} seeds of each at truncation 0 to 1.5, moved by numbers of z, by directions, one a visitor's "
          "own (wanted: at most 2 of 255)")  # fmt: skip


def faces_of(library: Library, name: str) -> list[Face]:
    """Of ten seeds, each at another truncation and moved otherwise."""
    from gan.ui.state import Face, OwnDirection

    own = OwnDirection("hat", name, (3, 17), (5, 9))
    numbers = library.generator(name).config.z_dim
    named = sorted(library.directions(name))
    faces = []
    for seed in range(SEEDS):
        moved = {own.key: 1.5 - seed / 3} | ({named[seed % len(named)]: seed / 3 - 1.5} if named else {})
        offsets = {seed % numbers: 2.5, numbers - 1: -0.3 * seed}
        faces.append(Face(name, seed, round(1.5 * seed / (SEEDS - 1), 2), offsets, "", moved, (own,)))
    return faces
