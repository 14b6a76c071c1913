"""Built-in drawn faces: pictures to train on with no download, whose factors (smile, glasses, hair ...) are known.

Face i of a seed is the same whatever else is drawn, so a data set can grow without changing.
"""

from __future__ import annotations

import colorsys
import os
from multiprocessing.pool import ThreadPool

import numpy as np
from PIL import Image, ImageDraw

VERSION = 2  # raise it when the same (seed, index) would look different: cached data sets are then drawn again

SKIN_TONES = ("#fbe3d1", "#f3cba8", "#e0ac7e", "#c18655", "#8f5a38", "#5b3826")  # light to dark, blended between
HAIR_COLOURS = {
    "black": "#1f1a1c",
    "dark brown": "#4a2f22",
    "brown": "#7d5031",
    "blond": "#d9ab5c",
    "red": "#b4552c",
    "grey": "#b9b6b4",
    "pink": "#cf6f9b",
    "blue": "#4b7fb8",
}
HAIR_STYLES = ("bald", "short", "fringe", "long", "curly", "bun")
EYE_COLOURS = {"brown": "#4d3020", "blue": "#3f74b5", "green": "#4c8a52", "grey": "#7a8790"}

Box = tuple[float, float, float, float]  # left, top, right, bottom


def draw_faces(n: int, image_size: int, channels: int, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draws faces 0 to n - 1 of a seed.

    Args:
        n: how many, >= 0.
        image_size: height and width, pixels.
        channels: 3 for RGB or 1 for luminance.
        seed: >= 0.

    Returns:
        images: (n, image_size, image_size, channels) uint8 in 0..255.
        factors: (n,) arrays by name, as listed at `sample_factors`.
    """
    images = np.empty((n, image_size, image_size, channels), np.uint8)

    def draw(index: int) -> dict[str, float]:
        images[index], factors = draw_face(index, image_size, channels, seed)
        return factors

    with ThreadPool(min(os.cpu_count() or 1, 8)) as pool:  # Pillow draws partly without the GIL
        rows = pool.map(draw, range(n))
    names = rows[0] if rows else sample_factors(0, seed)
    return images, {name: np.array([row[name] for row in rows]) for name in names}


def draw_face(index: int, image_size: int, channels: int, seed: int = 0) -> tuple[np.ndarray, dict[str, float]]:
    """Face `index` of a seed: (image_size, image_size, channels) uint8, and its factors.

    Raises:
        ValueError: channels is not 1 or 3, or image_size is below 1.
    """
    if channels not in (1, 3) or image_size < 1:
        raise ValueError(f"image_size {image_size}, channels {channels}: expected a size >= 1 and 1 or 3 channels")
    factors = sample_factors(index, seed)
    # Pillow's shapes have hard edges; drawing at 4 times the size (128 pixels at least) and averaging smooths them.
    scale = max(4, -(-128 // image_size))
    image = render(factors, scale * image_size).reduce(scale)
    if channels == 1:
        image = image.convert("L")
    return np.asarray(image).reshape(image_size, image_size, channels), factors


def sample_factors(index: int, seed: int = 0) -> dict[str, float]:
    """The factors of face `index`, each independent of the others.

    Returns:
        skin: 0 (light) to 1 (dark).
        hair_colour, hair_style, eye_colour: number of the entry in HAIR_COLOURS, HAIR_STYLES, EYE_COLOURS.
        smile: -1 (corners of the mouth down) to 1 (up; above 0.55 the mouth is open).
        glasses: 0 or 1, one in three wears them.
        background: hue, 0 to 1.
        width: of the head, -1 (narrow) to 1 (wide).
        eye_size: -1 (small) to 1 (large).
        brows: -1 (frowning) to 1 (raised).
        gaze: -1 (picture's left) to 1 (right).
        turn, tilt: shift of the features on the head, -1 to 1: left to right, down to up.
        shirt: hue, 0 to 1.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(index,))))
    return {
        "skin": float(random.random()),
        "hair_colour": int(random.integers(len(HAIR_COLOURS))),
        "hair_style": int(random.integers(len(HAIR_STYLES))),
        "eye_colour": int(random.integers(len(EYE_COLOURS))),
        "smile": float(random.uniform(-1, 1)),
        "glasses": int(random.random() < 1 / 3),
        "background": float(random.random()),
        "width": float(random.uniform(-1, 1)),
        "eye_size": float(random.uniform(-1, 1)),
        "brows": float(random.uniform(-1, 1)),
        "gaze": float(random.uniform(-1, 1)),
        "turn": float(random.uniform(-1, 1)),
        "tilt": float(random.uniform(-1, 1)),
        "shirt": float(random.random()),
    }


def render(factors: dict[str, float], size: int) -> Image.Image:
    """A face with the given factors, as a size x size RGB picture with hard edges."""
    return _Face(factors, size).image


class _Face:
    """One picture in the making. Coordinates run from 0 (left, top) to 1, the painter's order is __init__'s."""

    def __init__(self, factors: dict[str, float], size: int) -> None:
        self.f = factors
        self.size = size
        self.skin = _blend(SKIN_TONES, factors["skin"])
        self.hair = _rgb(list(HAIR_COLOURS.values())[factors["hair_colour"]])
        self.style = HAIR_STYLES[factors["hair_style"]]
        self.centre = 0.5
        self.half_width = 0.265 + 0.025 * factors["width"]
        self.top, self.chin = 0.15, 0.86
        # where the features sit: they move against the head outline, as if it turned
        self.face_x = self.centre + 0.025 * factors["turn"]
        self.eye_y = 0.49 - 0.018 * factors["tilt"]

        self.image = self._background()
        self.draw = ImageDraw.Draw(self.image)
        self._hair_behind()
        self._body()
        self._head()
        self._hair_in_front()
        self._eyes()
        self._nose_and_cheeks()
        self._mouth()
        if factors["glasses"]:
            self._glasses()

    # strokes

    def _ellipse(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        self.draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=colour)

    def _polygon(self, points: np.ndarray, colour: tuple[int, ...]) -> None:
        self.draw.polygon([(float(x), float(y)) for x, y in points * self.size], fill=colour)

    def _line(self, points: np.ndarray, width: float, colour: tuple[int, ...]) -> None:
        """A stroke with round ends."""
        pixels = [(float(x), float(y)) for x, y in points * self.size]
        self.draw.line(pixels, fill=colour, width=max(1, round(width * self.size)), joint="curve")
        for x, y in points[[0, -1]]:
            self._ellipse(x, y, width / 2, width / 2, colour)

    def _box(self, *box: float) -> Box:
        return tuple(value * self.size for value in box)

    # parts

    def _background(self) -> Image.Image:
        """Light at the top, fuller at the bottom."""
        hue = self.f["background"]
        ends = np.array([_hsv(hue, 0.22, 0.97), _hsv(hue, 0.48, 0.80)], np.float64)
        rows = np.linspace(ends[0], ends[1], self.size).round().astype(np.uint8)
        return Image.fromarray(np.repeat(rows[:, None], self.size, axis=1))

    def _hair_behind(self) -> None:
        shade = _darker(self.hair, 0.82)
        if self.style == "long":
            wide = self.half_width + 0.085
            self._ellipse(self.centre, 0.42, wide, 0.31, shade)
            self.draw.rounded_rectangle(
                self._box(self.centre - wide, 0.42, self.centre + wide, 0.93), 0.09 * self.size, fill=shade
            )
        elif self.style == "curly":
            for angle in np.linspace(-0.15 * np.pi, 1.15 * np.pi, 13):
                x = self.centre + (self.half_width + 0.045) * np.cos(angle)
                self._ellipse(x, 0.42 - 0.26 * np.sin(angle), 0.105, 0.105, shade)
        elif self.style == "bun":
            self._ellipse(self.centre, 0.115, 0.115, 0.095, shade)

    def _body(self) -> None:
        shirt = _hsv(self.f["shirt"], 0.55, 0.72)
        self._ellipse(self.centre, 1.08, 0.43, 0.22, shirt)
        neck = _darker(self.skin, 0.86)
        self.draw.rounded_rectangle(
            self._box(self.centre - 0.105, 0.74, self.centre + 0.105, 0.940), 0.07 * self.size, fill=neck
        )

    def _head(self) -> None:
        for side in (-1, 1):
            x = self.centre + side * self.half_width - 0.012 * self.f["turn"]
            self._ellipse(x, 0.53, 0.045, 0.068, self.skin)
            self._ellipse(x, 0.53, 0.020, 0.038, _darker(self.skin, 0.84))
        self._polygon(self._outline(self.half_width, self.top, self.chin), self.skin)

    def _outline(self, half_width: float, top: float, bottom: float) -> np.ndarray:
        """An egg, blunt end up."""
        angle = np.linspace(0, 2 * np.pi, 72)
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.86
        x = x * (1 - 0.10 * (1 + np.sin(angle)))
        middle, half_height = (top + bottom) / 2, (bottom - top) / 2
        return np.stack([self.centre + 1.06 * half_width * x, middle + half_height * np.sin(angle)], axis=1)

    def _hair_in_front(self) -> None:
        if self.style == "bald":
            shine = _blend_rgb(self.skin, (255, 255, 255), 0.35)
            self._ellipse(self.centre - 0.08, 0.245, 0.055, 0.025, shine)
            return
        if self.style == "curly":
            for angle in np.linspace(0.06 * np.pi, 0.94 * np.pi, 8):
                x = self.centre + (self.half_width - 0.02) * np.cos(angle)
                self._ellipse(x, 0.36 - 0.17 * np.sin(angle), 0.075, 0.068, self.hair)
            return
        # a cap: the top of a slightly larger head, cut off along a hairline
        hairline = {"short": 0.315, "fringe": 0.385, "long": 0.33, "bun": 0.30}[self.style]
        cap = self._outline(self.half_width + 0.035, self.top - 0.045, self.chin)
        side = 0.50 if self.style in ("long", "fringe") else 0.44
        cap = cap[cap[:, 1] < side]
        cap = cap[np.argsort(np.arctan2(cap[:, 0] - self.centre, 0.5 - cap[:, 1]))]  # from left over the top to right
        x = np.linspace(self.half_width - 0.005, -self.half_width + 0.005, 25)
        across = x / self.half_width
        if self.style == "fringe":
            y = hairline + 0.012 * np.cos(14 * across) + 0.03 * across**4
        elif self.style == "long":  # a parting in the middle
            y = hairline - 0.075 * (1 - np.abs(across)) ** 1.5 + 0.12 * across**6
        elif self.style == "short":  # swept to one side
            y = hairline - 0.035 * across + 0.10 * across**6
        else:
            y = hairline - 0.02 * (1 - across**2) + 0.12 * across**6
        self._polygon(np.concatenate([cap, np.stack([self.centre + x, y], axis=1)]), self.hair)

    def _eyes(self) -> None:
        radius = 0.053 + 0.010 * self.f["eye_size"]
        iris = _rgb(list(EYE_COLOURS.values())[self.f["eye_colour"]])
        brow = _darker(_blend_rgb(self.hair, self.skin, 0.15), 0.8)
        if self.style == "bald":
            brow = _darker(self.skin, 0.5)
        for side in (-1, 1):
            x = self.face_x + side * 0.118
            pupil_x = x + 0.013 * self.f["gaze"]
            self._ellipse(x, self.eye_y, radius * 1.12, radius * 1.02, _darker(self.skin, 0.62))
            self._ellipse(x, self.eye_y + 0.004, radius * 1.04, radius * 0.92, (255, 255, 255))
            self._ellipse(pupil_x, self.eye_y + 0.004, radius * 0.70, radius * 0.80, iris)
            self._ellipse(pupil_x, self.eye_y + 0.004, radius * 0.38, radius * 0.44, (20, 16, 20))
            self._ellipse(pupil_x + 0.012, self.eye_y - 0.010, radius * 0.2, radius * 0.2, (255, 255, 255))
            inner_x, outer_x = x - side * 0.055, x + side * 0.062
            height = self.eye_y - 0.090 - 0.016 * self.f["brows"]
            inner_y = height - 0.022 * self.f["brows"]
            line = np.array([[inner_x, inner_y], [x, height - 0.014], [outer_x, height + 0.010]])
            self._line(line, 0.024, brow)

    def _nose_and_cheeks(self) -> None:
        blush = _blend_rgb(self.skin, (226, 88, 88), 0.28)
        for side in (-1, 1):
            self._ellipse(self.face_x + side * 0.160, self.eye_y + 0.125, 0.046, 0.033, blush)
        shade = _darker(self.skin, 0.78)
        x, y = self.face_x + 0.012 * self.f["turn"], self.eye_y + 0.115
        angle = np.linspace(0.1 * np.pi, 0.9 * np.pi, 9)
        self._line(np.stack([x + 0.030 * np.cos(angle), y + 0.022 * np.sin(angle)], axis=1), 0.016, shade)

    def _mouth(self) -> None:
        smile = self.f["smile"]
        # darker than light skin and lighter than dark skin, so that the mouth stays visible in grey
        lip = (172, 44, 52) if self.f["skin"] < 0.65 else (228, 128, 118)
        half = 0.104 + 0.018 * smile
        across = np.linspace(-1, 1, 21)
        x, y = self.face_x + half * across, self.eye_y + 0.222
        curve = np.stack([x, y + 0.064 * smile * (0.5 - across**2)], axis=1)
        if smile > 0.55:  # an open mouth: teeth above, dark below
            drop = 0.115 * (smile - 0.30) * (1 - across**2)
            lower = np.stack([x, curve[:, 1] + drop], axis=1)
            teeth = np.stack([x, curve[:, 1] + 0.5 * drop], axis=1)
            self._polygon(np.concatenate([curve, lower[::-1]]), (112, 26, 34))
            self._polygon(np.concatenate([curve, teeth[::-1]]), (255, 252, 246))
            self._line(lower, 0.020, lip)
        self._line(curve, 0.025, lip)

    def _glasses(self) -> None:
        frame = (38, 36, 44)
        width = max(1, round(0.018 * self.size))
        for side in (-1, 1):
            x = self.face_x + side * 0.121
            box = self._box(x - 0.090, self.eye_y - 0.070, x + 0.090, self.eye_y + 0.076)
            self.draw.rounded_rectangle(box, 0.05 * self.size, outline=frame, width=width)
            temple = np.array([[x + side * 0.090, self.eye_y - 0.012], [self.centre + side * self.half_width, 0.485]])
            self._line(temple, 0.016, frame)
        bridge = np.array([[self.face_x - 0.033, self.eye_y], [self.face_x, self.eye_y - 0.012]])
        mirrored = bridge[::-1] * [-1, 1] + [2 * self.face_x, 0]
        self._line(np.concatenate([bridge, mirrored]), 0.016, frame)


# ---------------------------------------------------------------------------------------------- colours

Rgb = tuple[int, int, int]


def _rgb(colour: str) -> Rgb:
    return tuple(bytes.fromhex(colour[1:]))


def _hsv(hue: float, saturation: float, value: float) -> Rgb:
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))


def _blend_rgb(a: Rgb, b: Rgb, share_b: float) -> Rgb:
    return tuple(round((1 - share_b) * x + share_b * y) for x, y in zip(a, b, strict=True))


def _blend(colours: tuple[str, ...], position: float) -> Rgb:
    """The colour at position 0 (first) to 1 (last) of a row of colours."""
    step, share = divmod(position * (len(colours) - 1), 1)
    nearest = int(step)
    return _blend_rgb(_rgb(colours[nearest]), _rgb(colours[min(nearest + 1, len(colours) - 1)]), share)


def _darker(colour: Rgb, factor: float) -> Rgb:
    return tuple(round(factor * part) for part in colour)
