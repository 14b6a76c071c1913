"""The page's endpoints for scripts and agents: named, typed, bounded."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from gan.films.encode import formats
from gan.latent.projection import STEPS
from gan.sampling import MAX_SEED, image_grid
from gan.ui.arguments import EXAMPLE, NAME, NUMBER, WHOLE, argument, endpoint, picture_file
from gan.ui.arithmetic_server import FACES, ArithmeticServer, Sum
from gan.ui.drawing import METADATA_KEY, draw, draw_seeds, png, to_image
from gan.ui.library import Library
from gan.ui.morph_server import MOST_FACES, MOST_FPS, MOST_FRAMES, SIDES, WAYS, Film, MorphServer, film_name
from gan.ui.photo_server import MOST_STEPS, OPENING_MILLISECONDS, PhotoServer
from gan.ui.places import price
from gan.ui.replay_server import ReplayServer
from gan.ui.state import MAX_TRUNCATION, Face
from gan.ui.values import FaceError, number, short, whole

MAX_FACES = 64  # in one grid
MAX_SCALE = 16
MAX_PIXELS = 2048 * 2048  # of a picture that is sent
_SEED = WHOLE | {"minimum": 0, "maximum": MAX_SEED}
_TRUNCATION = NUMBER | {"minimum": 0, "maximum": MAX_TRUNCATION}


def build(library: Library) -> None:
    """Register all public endpoints; they have no place on the page."""
    with gr.Column(visible=False):
        _pictures(library)
        _morph(library)
        _project(library)
        _replay(library)


def _pictures(library: Library) -> None:
    """/generate, /grid, /models and /directions."""

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

    some = WHOLE | {"minimum": 1, "maximum": MAX_FACES}
    moves = {"type": "object", "additionalProperties": NUMBER}
    face_arguments = [
        argument(NAME, EXAMPLE),
        argument(_SEED, 7),
        argument(_TRUNCATION, 0.8),
        argument(moves, {"3": 0.5, "17": -1.2}),
        argument(WHOLE | {"minimum": 1, "maximum": MAX_SCALE}, 1),
        argument(moves, {"Smile": 2}),
        argument(NAME, ""),
    ]
    grid_arguments = [
        argument(NAME, EXAMPLE), argument(_SEED, 0), argument(some, 16), argument(some, 4), argument(_TRUNCATION, 1.0)
    ]  # fmt: skip
    endpoint(generate, face_arguments, _picture(), "generate")
    endpoint(grid, grid_arguments, _picture(), "grid")
    endpoint(models, [], gr.JSON(label="models"), "models")
    endpoint(directions, [argument(NAME, EXAMPLE)], gr.JSON(label="directions"), "directions")


def _morph(library: Library) -> None:
    """/morph and /arithmetic."""
    server, sums = MorphServer(library), ArithmeticServer(library)
    file = gr.File(label="file")

    def morph(
        model: str,
        seeds: list[int],
        frames: int = 60,
        fps: int = 20,
        way: str = "loop",
        format: str = "webp",
        size: int = 256,
        truncation: float = 1.0,
    ) -> str:
        """Make a film that passes through several faces at constant speed; the same arguments give the same film.

        Args:
            model: name of a model, as /models lists them.
            seeds: 2 to 8 whole numbers of 0 to 4294967295, in order, for example [7, 12, 3].
            frames: 2 to 120, at least as many as seeds ("back": 2 * (seeds - 1)).
            fps: frames per second, 1 to 30.
            way: "loop" goes on from the last face to the first, "back" returns the way it came, "once" ends there.
            format: "webp", "gif" or "mp4".
            size: of a side in pixels, 256 or 512.
            truncation: 0 to 1.5; 1 changes nothing, less gives more typical pictures, 0 the typical one.

        Returns:
            The file.
        """
        faces = tuple(Face(model, seed, truncation) for seed in _seeds(seeds))
        film = Film(faces, frames, fps, way)
        content = server.write_film(film, format, size)
        return save_bytes_to_cache(content, film_name(film, format), file.GRADIO_CACHE)  # which delete_cache clears

    def add(model: str, a: list[int], b: list[int], c: list[int]) -> tuple[Image.Image, dict]:
        """A - B + C with one to three faces averaged in each, as in figure 7 of the DCGAN paper.

        Args:
            model: name of a model, as /models lists them.
            a: seeds of 0 to 4294967295, for example three smiling women.
            b: seeds to take away, for example three women who do not smile.
            c: seeds to add, for example three men who do not smile.

        Returns:
            The picture equation as a PNG whose metadata holds the result (dropped into the page, it is shown there),
            and the result's state: its model and its latent vector.
        """
        sum_ = Sum(model, (_seeds(a), _seeds(b), _seeds(c)))
        image = Image.open(io.BytesIO(sums.equation(sum_)))
        return image, json.loads(image.text[METADATA_KEY])

    film_arguments = [
        argument(NAME, EXAMPLE),
        argument(_seeds_schema(2, MOST_FACES), [7, 12, 3]),
        argument(WHOLE | {"minimum": 2, "maximum": MOST_FRAMES}, 60),
        argument(WHOLE | {"minimum": 1, "maximum": MOST_FPS}, 20),
        argument(NAME | {"enum": list(WAYS)}, "loop"),
        argument(NAME | {"enum": list(formats())}, "webp"),
        argument(WHOLE, SIDES[0]),
        argument(_TRUNCATION, 1.0),
    ]
    terms = [argument(_seeds_schema(1, FACES), term) for term in ([0, 1, 2], [3, 4, 5], [6, 7, 8])]
    endpoint(morph, film_arguments, file, "morph")
    endpoint(add, [argument(NAME, EXAMPLE), *terms], [_picture(), gr.JSON(label="state")], "arithmetic")


def _project(library: Library) -> None:
    """/project."""
    server = PhotoServer(library)

    def project(model: str, photo: str, steps: int = STEPS) -> tuple[Image.Image, dict]:
        """Find the face of a model that comes nearest to a photo, best one that is cropped to the face.

        The file is removed from the server as soon as it is read, whatever comes of it.

        Args:
            model: name of a model, as /models lists them.
            photo: JPEG, PNG, WebP, GIF, BMP or TIFF of at most 20 MB and 50 million pixels; what is not square loses
                its sides.
            steps: gradient steps, 0 to 300; 0 is the encoder's first guess.

        Returns:
            The found face as a PNG whose metadata holds its state (dropped into the page, it is shown there), and
            {"state": its model and latent vector, "psnr": dB against the photo at the model's size, "psnr_guess": of
            the encoder's guess, "feature_distance" and "feature_distance_guess": in the classifier's features}.
        """
        price(OPENING_MILLISECONDS)  # before the file goes: what is found to be dear begins anew
        path = Path(photo) if photo else None
        try:
            content = path.read_bytes() if path else b""
        finally:
            if path:
                path.unlink(missing_ok=True)
        result = server.project(model, content, whole("steps", steps, 0, MOST_STEPS))
        image = Image.open(io.BytesIO(png(result.pixels, result.face)))
        return image, {
            "state": json.loads(result.face.to_json()),
            "psnr": round(result.end.psnr, 3),
            "psnr_guess": round(result.begin.psnr, 3),
            "feature_distance": round(result.end.feature_distance, 4),
            "feature_distance_guess": round(result.begin.feature_distance, 4),
        }

    arguments = [argument(NAME, EXAMPLE), picture_file(), argument(WHOLE, STEPS)]
    endpoint(project, arguments, [_picture(), gr.JSON(label="found")], "project")


def _replay(library: Library) -> None:
    """/replay."""
    server = ReplayServer(library)

    def replay(model: str, step: float = 1.0) -> tuple[Image.Image, dict]:
        """What a run could draw at a moment of its training: the sample sheet nearest to it, and its numbers.

        Args:
            model: name of a model or run, as /models lists them.
            step: 0 to 1 is a share of the run's images seen (1 is the end), above 1 a number of images seen.

        Returns:
            The sheet, 8 x 8 pictures of the seeds 0 to 63 row by row, and the numbers at that moment: images_seen,
            epoch, seconds, losses, D(x), D(G(z)), diversity (null where not measured); the sheet's number, how many
            there are, and how many images the run has seen.
        """
        return server.moment(model, step)

    arguments = [argument(NAME, EXAMPLE), argument(NUMBER, 0.5)]
    endpoint(replay, arguments, [gr.Image(label="sheet", format="png"), gr.JSON(label="numbers")], "replay")


def _picture() -> gr.Image:
    return gr.Image(format="png", type="pil", label="picture")


def _seeds_schema(least: int, most: int) -> dict:
    return {"type": "array", "items": WHOLE, "minItems": least, "maxItems": most}


def _seeds(given: object) -> tuple:
    if not isinstance(given, list):
        raise FaceError(f"seeds {short(given)}: expected a list of whole numbers, like [7, 12, 3]")
    return tuple(given)


def _check_pixels(count: int, instead: str) -> None:
    """Raises `FaceError` for a picture that is larger than may be sent."""
    if count > MAX_PIXELS:
        raise FaceError(
            f"This picture would have {count:,} pixels, and at most {MAX_PIXELS:,} are sent: ask for {instead}"
        )
