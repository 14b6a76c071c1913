"""The page's endpoints for scripts and agents: named, typed, bounded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import gradio as gr
from PIL import Image

from gan.run import RunError
from gan.sampling import MAX_SEED, image_grid
from gan.ui.drawing import draw, draw_seeds, png, to_image
from gan.ui.library import Library
from gan.ui.state import MAX_TRUNCATION, Face, FaceError

MAX_FACES = 64  # in one grid
MAX_SCALE = 16


def build(library: Library) -> None:
    """Register /generate, /grid and /models; they have no place on the page."""

    def generate(
        model: str, seed: int = 0, truncation: float = 1.0, offsets: dict | None = None, scale: int = 1
    ) -> Image.Image:
        """Draw one picture; the same arguments always give the same picture.

        Args:
            model: name of a model, as /models lists them.
            seed: names the latent vector z, 0 to 4294967295.
            truncation: 0 to 1.5; z is multiplied by it, less gives more typical pictures.
            offsets: dimension of z to added value of -3 to 3, for example {"3": 0.5, "17": -1.2}.
            scale: how often each pixel is repeated to each side, 1 to 16.

        Returns:
            A PNG whose metadata holds the arguments: dropped into the page, it restores them.
        """
        with _sentences():
            face = Face(model, seed, truncation, offsets or {})
            pixels = draw(library, face).pixels
            return Image.open(io.BytesIO(png(pixels, face, least_size=scale * pixels.shape[1])))

    def grid(model: str, seed: int = 0, count: int = 16, columns: int = 4, truncation: float = 1.0) -> Image.Image:
        """Draw the pictures of consecutive seeds, row by row, without borders.

        Args:
            model: name of a model, as /models lists them.
            seed: the first one, 0 to 4294967295.
            count: how many pictures, 1 to 64.
            columns: pictures per row, 1 to 64.
            truncation: 0 to 1.5; z is multiplied by it, less gives more typical pictures.
        """
        with _sentences():
            if seed + count - 1 > MAX_SEED:
                most = MAX_SEED - count + 1
                raise FaceError(f"seed {seed}: expected at most {most} for {count} pictures")
            pixels = draw_seeds(library, model, range(seed, seed + count), truncation)
        return to_image(image_grid(pixels, columns))

    def models() -> list[dict]:
        """List the models: name, size in pixels, colour channels, numbers in z, what is wrong with it if anything."""
        return [
            {"name": entry.name, "in_training": entry.in_training, "problem": entry.problem}
            | (
                {
                    "image_size": entry.info.config.image_size,
                    "channels": entry.info.config.channels,
                    "z_dim": entry.info.config.z_dim,
                    "source": entry.info.config.source,
                    "data": entry.info.data,
                }
                if entry.info
                else {}
            )
            for entry in library.entries()
        ]

    with gr.Column(visible=False):
        model = gr.Textbox(label="model", max_length=200)
        seed = gr.Number(0, label="seed", precision=0, minimum=0, maximum=MAX_SEED)
        truncation = gr.Slider(0, MAX_TRUNCATION, 1.0, label="truncation")
        offsets = gr.JSON(label="offsets")
        # Gradio's own description of JSON is no valid schema, and MCP clients refuse it.
        offsets.api_info = lambda: {"type": "object", "additionalProperties": {"type": "number"}}
        scale = gr.Slider(1, MAX_SCALE, 1, step=1, precision=0, label="scale")
        count = gr.Slider(1, MAX_FACES, 16, step=1, precision=0, label="count")
        columns = gr.Slider(1, MAX_FACES, 4, step=1, precision=0, label="columns")
        picture = gr.Image(format="png", type="pil", label="picture")
    limits = dict(concurrency_limit=2, concurrency_id="api")
    gr.on([], generate, [model, seed, truncation, offsets, scale], picture, api_name="generate", **limits)
    gr.on([], grid, [model, seed, count, columns, truncation], picture, api_name="grid", **limits)
    gr.api(models, api_name="models", **limits)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Errors that are the caller's, as Gradio tells them to a client."""
    try:
        yield
    except (FaceError, RunError) as error:
        raise gr.Error(str(error), print_exception=False) from error
