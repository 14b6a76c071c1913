"""A replay as a file: the sheets with the moving curves as GIF, WebP or MP4, and the curves as a PNG.

Pictures are composed with Pillow, curves drawn with matplotlib's Agg canvas and no global state, so that
a server may call this from any thread.
"""

from __future__ import annotations

import contextlib
import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from gan.files import reason
from gan.films.encode import GIF_FRAMES, ExportError, encode
from gan.films.replay import LOSSES, SCORES, Replay, smooth, smoothing_window
from gan.history import FIRST_SAMPLE_IMAGES, read_sheet
from gan.run import RunError

SIDE = 512  # pixels of a sheet in a film; smaller sheets are enlarged by a whole number first
MAX_FRAMES = 120
FRAME_SECONDS = 0.2
LAST_SECONDS = 2.0  # the end is what one wants to look at
CURVES_DPI = 160

_DARK = {"background": "#14161a", "text": "#e8e6e3", "faint": "#7c828c", "cursor": "#ffffff"}
_LIGHT = {"background": "#ffffff", "text": "#1d2025", "faint": "#8a9099", "cursor": "#1d2025"}
_GENERATED, _REAL = "#e8613a", "#2a9387"  # whatever is the generator's, whatever is the discriminator's or real
_COLORS = {"loss_g": _GENERATED, "loss_d": _REAL, "d_real": _REAL, "d_fake": _GENERATED}
_LABELS = {"loss_g": "G loss", "loss_d": "D loss", "d_real": "D(x), real", "d_fake": "D(G(z)), generated"}
_MOST_LABEL = 40  # characters of an event beside its line
_MARGIN, _CAPTION, _PLOT = 16, 44, 190  # pixels of a film's frame


def film(
    replays: Sequence[Replay],
    format: str = "gif",
    *,
    logarithmic: bool = True,
    pause: Callable[[], None] = lambda: None,
) -> bytes:
    """The replay of one run, or of two side by side, aligned by images seen.

    Args:
        replays: one or two, at least one with a sample sheet.
        format: of `gan.films.encode.formats()`.
        logarithmic: the curves' time axis.
        pause: is called between two frames.

    Returns:
        The file: a frame per sample sheet, `FRAME_SECONDS` each, at most `MAX_FRAMES`, of a GIF `GIF_FRAMES`.

    Raises:
        ExportError: an unknown format, no sample sheet to show, or a film that is too large.
    """
    moments = sorted({sheet.images_seen for replay in replays for sheet in replay.sheets})
    if not moments:
        raise ExportError("there is no sample sheet to make a film of: wait for the run's first one")
    most = GIF_FRAMES[len(replays) - 1] if format == "gif" else MAX_FRAMES
    chosen = np.linspace(0, len(moments) - 1, min(most, len(moments))).round().astype(int)
    frames = _frames(replays, [moments[index] for index in chosen], logarithmic, pause)
    return encode(frames, len(chosen), format, FRAME_SECONDS, last_seconds=LAST_SECONDS, dither=False)


def curves_png(replays: Sequence[Replay], *, logarithmic: bool = True) -> bytes:
    """Losses and scores of one or two runs over images seen, with the runs' events.

    Args:
        replays: one or two, with or without rows.
        logarithmic: the time axis.

    Returns:
        A PNG of 1600 x 960 pixels.
    """
    figure = _Curves(replays, (1600, 960), CURVES_DPI, _LIGHT, logarithmic, legend=True).figure
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=CURVES_DPI, facecolor=figure.get_facecolor())
    return content.getvalue()


class _Curves:
    """Both plots drawn once, and where on them a moment lies."""

    def __init__(
        self,
        replays: Sequence[Replay],
        size: tuple[int, int],
        dpi: int,
        ink: dict[str, str],
        logarithmic: bool,
        *,
        legend: bool = False,
    ) -> None:
        self.size = size
        self.figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi, facecolor=ink["background"])
        self.canvas = FigureCanvasAgg(self.figure)
        self.figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
        shape = (2, 1) if legend else (1, 2)
        plots = self.figure.subplots(*shape, sharex=True, squeeze=False).ravel()
        most = max((replay.images_seen for replay in replays), default=0)
        for plot, columns in zip(plots, (LOSSES, SCORES), strict=True):
            self._draw(plot, columns, replays, ink)
            plot.set_facecolor(ink["background"])
            for side in plot.spines.values():
                side.set_visible(False)
            plot.grid(color=ink["faint"], alpha=0.25, linewidth=0.6)
            plot.tick_params(colors=ink["faint"], labelsize=8, length=0)
            if logarithmic:
                plot.set_xscale("asinh", linear_width=FIRST_SAMPLE_IMAGES, base=10)
                plot.xaxis.minorticks_off()
            plot.xaxis.set_major_formatter(lambda value, _: short_count(value))
            plot.set_xlim(0, max(most, 1))
            if legend and plot.get_legend_handles_labels()[0]:
                place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2 * len(replays)}
                plot.legend(frameon=False, fontsize=8, labelcolor=ink["text"], borderaxespad=0.2, **place)
        plots[0].set_ylim(bottom=min(0, plots[0].get_ylim()[0]) if plots[0].lines else 0)
        plots[1].set_ylim(0, 1)
        if legend:
            plots[-1].set_xlabel("images seen", color=ink["faint"], fontsize=9)
            self.figure.suptitle(_title(replays), color=ink["text"], fontsize=12, x=0.02, ha="left", parse_math=False)
        else:
            plots[0].set_title("loss: G orange, D green", color=ink["faint"], fontsize=8, loc="left")
            plots[1].set_title("D(x) green, D(G(z)) orange", color=ink["faint"], fontsize=8, loc="left")
        self.plots = plots

    def picture(self) -> Image.Image:
        """RGB, of the size that was asked for."""
        self.canvas.draw()
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3]).resize(self.size)

    def cursors(self, images_seen: float) -> list[tuple[float, float, float]]:
        """The cursor's line on each plot as (x, top, bottom), in pixels of `picture`, which was drawn before."""
        height = self.figure.bbox.height
        lines = []
        for plot in self.plots:
            x, _ = plot.transData.transform((images_seen, 0))
            lines.append((x, height - plot.bbox.y1, height - plot.bbox.y0))
        return lines

    @staticmethod
    def _draw(plot, columns: Sequence[str], replays: Sequence[Replay], ink: dict[str, str]) -> None:
        for number, replay in enumerate(replays):
            window = smoothing_window(len(replay.rows))
            note = f", mean over {window} rows" if window > 1 else ""
            run_name = f"{replay.name}: " if len(replays) > 1 else ""
            for column in columns:
                images, values = replay.curve(column)
                if not np.isfinite(values).any():
                    continue
                color, dashes = _COLORS[column], ("-", "--")[number]
                if window > 1 and len(replays) == 1:
                    plot.plot(images, values, color=color, alpha=0.25, linewidth=0.7)
                label = f"{run_name}{_LABELS[column]}{note}".replace("$", r"\$")
                plot.plot(images, smooth(values, window), dashes, color=color, linewidth=1.6, label=label)
            for event in replay.events:
                plot.axvline(event.images_seen, color=ink["faint"], linewidth=0.8, linestyle=":")
                if columns is SCORES:
                    text = textwrap.shorten(event.text, _MOST_LABEL, placeholder="…")
                    place = {"xycoords": plot.get_xaxis_transform(), "xytext": (3, 3), "textcoords": "offset points"}
                    plot.annotate(
                        text,
                        (event.images_seen, 0),
                        **place,
                        rotation=90,
                        fontsize=7,
                        color=ink["faint"],
                        parse_math=False,
                    )


def _frames(
    replays: Sequence[Replay], moments: Sequence[int], logarithmic: bool, pause: Callable[[], None]
) -> Iterator[Image.Image]:
    width = len(replays) * (SIDE + _MARGIN) + _MARGIN
    height = _MARGIN + SIDE + _CAPTION + _PLOT
    curves = _Curves(replays, (width - 2 * _MARGIN, _PLOT - _MARGIN), 100, _DARK, logarithmic)
    background = Image.new("RGB", (width + width % 2, height + height % 2), _DARK["background"])
    background.paste(curves.picture(), (_MARGIN, _MARGIN + SIDE + _CAPTION))
    sheets = _SheetPictures()
    for images_seen in moments:
        frame = background.copy()
        draw = ImageDraw.Draw(frame)
        for number, replay in enumerate(replays):
            left = _MARGIN + number * (SIDE + _MARGIN)
            frame.paste(sheets.at(replay, images_seen), (left, _MARGIN))
            _write_caption(draw, replay, images_seen, left)
        for x, top, bottom in curves.cursors(images_seen):
            x, shift = x + _MARGIN, _MARGIN + SIDE + _CAPTION
            draw.line([(x, top + shift), (x, bottom + shift)], fill=_DARK["cursor"], width=2)
        yield frame
        pause()


def _write_caption(draw: ImageDraw.ImageDraw, replay: Replay, images_seen: int, left: int) -> None:
    sheet = replay.sheet_at(images_seen)
    made = f"{sheet.images_seen:,} images seen" if sheet else "no sample sheet"
    name = replay.name if len(replay.name) <= 30 else f"{replay.name[:29]}…"
    top = _MARGIN + SIDE + 12
    draw.text((left, top), name, fill=_DARK["text"], font=ImageFont.load_default(17))
    draw.text((left + SIDE, top + 1), made, fill=_DARK["faint"], font=ImageFont.load_default(16), anchor="ra")


class _SheetPictures:
    """Sheets as RGB pictures of `SIDE` pixels; the last one of each run is kept for the next frame."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Path, Image.Image]] = {}

    def at(self, replay: Replay, images_seen: int) -> Image.Image:
        sheet = replay.sheet_at(images_seen)
        empty = Image.new("RGB", (SIDE, SIDE), "#1f2329")
        if sheet is None:
            return empty
        path, picture = self._last.get(replay.name, (None, empty))
        if path != sheet.path:
            with contextlib.suppress(RunError):  # in place of a damaged sheet the one before stays
                picture = enlarge(open_sheet(sheet.path), SIDE)
            self._last[replay.name] = (sheet.path, picture)
        return picture


def open_sheet(path: Path) -> Image.Image:
    """A sample sheet, RGB, at its own size; raises `RunError` where it is damaged or gone."""
    content = io.BytesIO(read_sheet(path))
    try:
        with Image.open(content, formats=("WEBP",)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{path.name} cannot be read ({reason(error)}): train again, or leave it out") from error


def enlarge(picture: Image.Image, side: int) -> Image.Image:
    """A square picture at `side` pixels with its own pixels kept sharp: whole-number enlargement, then the rest."""
    factor = max(1, -(-side // max(picture.size)))
    sharp = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return sharp.resize((side, side), Image.Resampling.BOX if factor > 1 else Image.Resampling.LANCZOS)


def _title(replays: Sequence[Replay]) -> str:
    return " and ".join(replay.name for replay in replays)[:90]


def short_count(value: float) -> str:
    """1200 -> "1.2k", 3000000 -> "3M": for an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
