"""The page's endpoints for scripts and agents: named, typed, bounded."""

from __future__ import annotations

import dataclasses
import io

import gradio as gr
from PIL import Image

from gan.sampling import MAX_SEED, image_grid
from gan.ui.arguments import EXAMPLE, NAME, NUMBER, WHOLE, argument, endpoint
from gan.ui.drawing import draw, draw_seeds, png, to_image
from gan.ui.library import Library
from gan.ui.state import MAX_TRUNCATION, Face, FaceError, number, whole

MAX_FACES = 64  # in one grid
MAX_SCALE = 16
MAX_PIXELS = 2048 * 2048  # of a picture that is sent


def build(library: Library) -> None:
    """Register /generate, /grid, /models and /directions; they have no place on the page."""

    def generate(
        model: str,
        seed: int = 0,
        truncation: float = 1.0,
        offsets: dict | None = None,
        scale: int = 1,
        directions: dict | None = None,
        latent: str = "",
    ) -> Image.Image:
        """Draw one picture; the same arguments always give the same picture.

        Args:
            model: name of a model, as /models lists them.
            seed: names the latent vector z, 0 to 4294967295.
            truncation: 0 to 1.5; 1 changes nothing, less gives more typical pictures, 0 the typical one.
            offsets: dimension of z to added value of -3 to 3, for example {"3": 0.5, "17": -1.2}.
            scale: how often each pixel is repeated to each side, 1 to 16.
            directions: name of a direction, as /directions lists them, to how far the face is moved that way, -3 to
                3, for example {"Smile": 2, "SeFa 1": -0.5}; at most 64.
            latent: an own z in the place of the seed's: its numbers as float16, little-endian, in base64url, as the
                page's links have them. Truncation does with it what it does with a seed's.

        Returns:
            A PNG whose metadata holds all arguments but scale: dropped into the page, it restores them.
        """
        scale = whole("scale", scale, 1, MAX_SCALE)
        moved = {} if directions is None else directions
        face = Face(model, seed, truncation, {} if offsets is None else offsets, latent, moved)
        _check_pixels((scale * library.entry(face.model).info.config.image_size) ** 2, "a smaller scale")
        pixels = draw(library, face).pixels
        return Image.open(io.BytesIO(png(pixels, face, least_size=scale * pixels.shape[1])))

    def grid(model: str, seed: int = 0, count: int = 16, columns: int = 4, truncation: float = 1.0) -> Image.Image:
        """Draw the pictures of consecutive seeds, row by row, without borders.

        Args:
            model: name of a model, as /models lists them.
            seed: the first one, 0 to 4294967295.
            count: how many pictures, 1 to 64.
            columns: pictures per row, 1 to 64.
            truncation: 0 to 1.5; 1 changes nothing, less gives more typical pictures, 0 the typical one.
        """
        seed, truncation = whole("seed", seed, 0, MAX_SEED), number("truncation", truncation, 0, MAX_TRUNCATION)
        count, columns = whole("count", count, 1, MAX_FACES), whole("columns", columns, 1, MAX_FACES)
        if seed + count - 1 > MAX_SEED:
            most = MAX_SEED - count + 1
            raise FaceError(f"seed {seed}: expected at most {most} for {count} pictures")
        cells = -(-count // columns) * columns
        _check_pixels(cells * library.entry(model).info.config.image_size ** 2, "fewer pictures or columns")
        pixels = draw_seeds(library, model, range(seed, seed + count), truncation)
        return to_image(image_grid(pixels, columns))

    def models() -> list[dict]:
        """List the models.

        Returns:
            For each its name, whether it is in training, and what is wrong with it (null for nothing); where its
            config can be read also its size in pixels, colour channels, numbers in z, where the recipe comes from,
            and what it was trained on.
        """
        return [
            {"name": entry.name, "in_training": entry.in_training, "problem": entry.problem}
            | (
                {
                    "image_size": entry.info.config.image_size,
                    "channels": entry.info.config.channels,
                    "z_dim": entry.info.config.z_dim,
                    "source": entry.info.config.source,
                    "data": entry.info.data.words,
                }
                if entry.info
                else {}
            )
            for entry in library.entries()
        ]

    def directions(model: str) -> list[dict]:
        """List the directions that a model's faces can be moved in; moving by 0 changes nothing, the ends are -3 and 3.

        Args:
            model: name of a model, as /models lists them.

        Returns:
            For each its name, its kind ("attribute" is named by what it changes; "sefa" and "ganspace" are principal
            directions, the strongest first), and for attributes what was measured on faces that start in the middle:
            probability of the attribute at -3, 0 and 3, and the other attribute that changes most.
        """
        found = library.directions(model).values()
        return [
            {"name": direction.name, "kind": direction.kind}
            | (dataclasses.asdict(direction.effect) if direction.effect else {})
            for direction in found
        ]

    seed = WHOLE | {"minimum": 0, "maximum": MAX_SEED}
    truncation = NUMBER | {"minimum": 0, "maximum": MAX_TRUNCATION}
    some = WHOLE | {"minimum": 1, "maximum": MAX_FACES}
    moves = {"type": "object", "additionalProperties": NUMBER}
    with gr.Column(visible=False):
        face_arguments = [
            argument(NAME, EXAMPLE),
            argument(seed, 7),
            argument(truncation, 0.8),
            argument(moves, {"3": 0.5, "17": -1.2}),
            argument(WHOLE | {"minimum": 1, "maximum": MAX_SCALE}, 1),
            argument(moves, {"Smile": 2}),
            argument(NAME, ""),
        ]
        grid_arguments = [
            argument(NAME, EXAMPLE), argument(seed, 0), argument(some, 16), argument(some, 4), argument(truncation, 1.0)
        ]  # fmt: skip
        of_a_model = argument(NAME, EXAMPLE)
        face_picture, grid_picture = (gr.Image(format="png", type="pil", label="picture") for _ in range(2))
        listed, found = (gr.JSON(label=label) for label in ("models", "directions"))
    endpoint(generate, face_arguments, face_picture, "generate")
    endpoint(grid, grid_arguments, grid_picture, "grid")
    endpoint(models, [], listed, "models")
    endpoint(directions, [of_a_model], found, "directions")


def _check_pixels(count: int, instead: str) -> None:
    """Raises `FaceError` for a picture that is larger than may be sent."""
    if count > MAX_PIXELS:
        raise FaceError(
            f"This picture would have {count:,} pixels, and at most {MAX_PIXELS:,} are sent: ask for {instead}"
        )
