"""An example of everything that the page answers and of every command for a model folder, for any model.

Tests find what there is by themselves, in the page's own config and in the package, and look here for what to ask: what
has no example fails. A new endpoint, server function, event or command needs one line here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from gradio_client import handle_file
from PIL import Image

from gan import run
from gan.config import GANConfig
from gan.data.drawn import draw_faces
from gan.latent.directions import load_directions
from gan.sampling import latents
from gan.ui.state import Face
from gan.ui.values import encode_latent

TERMS = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
TASKS = {1: "mnist", 3: "celeba"}  # the classifier that knows pictures of so many channels


@dataclass(frozen=True)
class Model:
    """A model that the page shows under its folder's name.

    Attributes:
        folder: only to be read.
        photo: a picture file that somebody might bring.
    """

    folder: Path
    photo: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def config(self) -> GANConfig:
        return run.read_info(self.folder).config

    @cached_property
    def directions(self) -> dict[str, float]:
        """The first of its directions, moved."""
        return dict.fromkeys(list(load_directions(self.folder))[:1], 2.0)

    @cached_property
    def face(self) -> str:
        return Face(self.name, 7, 0.8, {3: 0.5}, directions=self.directions).to_json()

    @cached_property
    def own(self) -> str:
        """A face with a latent of its own."""
        return Face(self.name, latent=encode_latent(latents(self.config, [5]))).to_json()

    @cached_property
    def content(self) -> str:
        return base64.b64encode(self.photo.read_bytes()).decode()


def drawn_photo(path: Path) -> Path:
    """A picture file of a drawn face, taller than wide, at `path`."""
    content = io.BytesIO()
    Image.fromarray(draw_faces(1, 64, 3)[0][0]).resize((60, 80)).save(content, "jpeg")
    path.write_bytes(content.getvalue())
    return path


# name -> arguments, those of the README where it has any
ENDPOINTS: dict[str, Callable[[Model], dict]] = {
    "/generate": lambda m: dict(model=m.name, seed=7, truncation=0.8, directions=m.directions),
    "/grid": lambda m: dict(model=m.name, count=4, columns=2),
    "/models": lambda m: {},
    "/directions": lambda m: dict(model=m.name),
    "/morph": lambda m: dict(model=m.name, seeds=[7, 12, 3], format="gif", frames=6),
    "/arithmetic": lambda m: dict(model=m.name, a=TERMS[0], b=TERMS[1], c=TERMS[2]),
    "/project": lambda m: dict(model=m.name, photo=handle_file(m.photo), steps=2),
    "/replay": lambda m: dict(model=m.name, step=0.5),
}

# name -> questions, as the browser's scripts ask them
SERVER_FUNCTIONS: dict[str, Callable[[Model], list[dict]]] = {
    "draw": lambda m: [{"face": m.face, "pixels": False}, {"face": m.own, "pixels": True}],
    "see": lambda m: [{"face": m.face}],
    "pad": lambda m: [{"face": replace(Face.from_json(m.face), pad=("truncation", "z:0")).to_json()}],
    "grid": lambda m: [{"model": m.name, "truncation": 0.8, "start": 24}],
    "download": lambda m: [{"query": Face.from_json(m.face).to_query(), "smooth": True}],
    "morph_faces": lambda m: [{"model": m.name, "faces": [m.face, m.own]}],
    "morph_film": lambda m: [{"faces": [m.face, m.own], "frames": 4, "fps": 10, "way": "back"}],
    "arithmetic_example": lambda m: [{"model": m.name}],
    "arithmetic_grid": lambda m: [{"model": m.name, "start": 24}],
    "arithmetic_solve": lambda m: [{"model": m.name, "terms": TERMS}],
    "arithmetic_save": lambda m: [{"model": m.name, "terms": TERMS, "names": ["a", "b", "c", "d"]}],
    "photo_open": lambda m: [{"content": m.content}],
    "replay_run": lambda m: [{"name": m.name}],
    "replay_sheets": lambda m: [{"name": m.name, "sheets": [0, 1]}],
    "replay_download": lambda m: [{"runs": [m.name], "kind": kind} for kind in ("csv", "png", "webp")],
    "models_list": lambda m: [{"all": True}],  # which it does not look at
    "models_brief": lambda m: [{"all": True}],
    "models_page": lambda m: [{"name": m.name, "page": "README.md"}],
}

# "elem_id.event" of what fires it, or the function's name where that has no elem_id -> (components' values, its data)
LOOK = [None, None, False]  # basis, page of sliders, pixels
EVENTS: dict[str, Callable[[Model], tuple[list, object]]] = {
    "open": lambda m: ([False], None),
    "basis.input": lambda m: ([m.face, "z"], None),
    "span.input": lambda m: ([m.face, "z", "0–15"], None),
    "maker.make": lambda m: ([m.face, *LOOK], {"name": "Hat", "has": [1, 2], "lacks": [3, 4]}),
    "maker.remove": lambda m: ([m.face, *LOOK], {"name": "Hat"}),
    "model.focus": lambda m: ([], None),
    "model.input": lambda m: ([m.face, *LOOK, m.name], None),
    "moved.reveal": lambda m: ([m.face], {"key": next(iter(m.directions), "z:3")}),
    "stage.restore": lambda m: ([m.face, *LOOK], {"state": m.own}),
    "morph-viewer.opened": lambda m: ([m.face], {"chosen": m.name}),
    "morph-viewer.explored": lambda m: ([m.face], None),
    "morph-viewer.make": lambda m: (
        [],
        {"number": 1, "asked": {"faces": [m.face, m.own], "frames": 4, "fps": 10, "way": "loop", "format": "webp",
                                "side": 256}},
    ),
    "photo-viewer.opened": lambda m: ([m.face], {"chosen": m.name}),
    "photo-model.input": lambda m: ([m.name], None),
    "photo-viewer.find": lambda m: ([], {"number": 1, "asked": {"model": m.name, "content": m.content}}),
    "replay-viewer.opened": lambda m: ([m.face], {"run": m.name, "second": ""}),
    "replay-viewer.face": lambda m: ([m.face], {"run": m.name}),
}  # fmt: skip

# command -> options, for a model's copy that it may write to, and a folder that is not there yet
COMMANDS: dict[str, Callable[[Model, Path, Path], list[str]]] = {
    "train": lambda m, copy, out: (
        f"--start-from {copy} --data drawn:8 --batch-size 4 --max-images 8 --out {out}".split()
    ),
    "metrics": lambda m, copy, out: (
        f"{copy} --data drawn:40 --images 16 --classifier {TASKS[m.config.channels]} --save".split()
    ),
    "projection": lambda m, copy, out: f"{copy} --data drawn:40 --images 2 --steps 1 --save".split(),
    "card": lambda m, copy, out: [str(copy)],  # the last: of all that the others wrote
}
# no model folder, or much work
NOT_TRIED = {"classifier", "directions", "encoder", "export", "site"}
