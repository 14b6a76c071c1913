"""What there is to know of a model at a glance, as data: the Models tab's rows, from what README's table shows too.

Folders may be anybody's: files are bounded, and what is damaged is left out.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

from gan import run
from gan.data_record import UNKNOWN
from gan.errors import GanError
from gan.files import MOST_JSON_BYTES, read_inside, reason
from gan.metrics.figures import FIGURES
from gan.models import parameter_counts
from gan.report import facts, table
from gan.report.card import lead_of
from gan.report.progress import moments_of
from gan.titles import CHAPTERS, chapter_of

PAGES = (run.CARD_FILE, run.DETAILS_FILE, run.NOTES_FILE)  # of a model, that can be read
MOST_PICTURE = 2**20  # bytes
_PICTURE = re.compile(r"!\[[^\]]*\]\((samples/\d+\.webp|[a-z]+\.webp)\)")
_MOST_PICTURES = 4  # of a page
_SHOWN = ("frechet_distance", "precision", "recall", "sliced_wasserstein", "ms_ssim", "sure_share")  # the card has all
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def row(name: str, title: str, folder: Path, info: run.RunInfo) -> dict:
    """A model's row, ready for JSON.

    Args:
        name, title: that the page knows the model by, and calls it.

    Returns:
        "name", "title", and the "chapter" of the story; "source" in words and "lead", Markdown: what it promised and
        what came out; "kind" of pictures ("" if unknown), "size" in pixels, "channels"; "parameters" of generator and
        critic; "images" seen, "time" and "machine" of its training, None and "" where there is no history; "strip", a
        data URI ("" for none), and "moments": images seen at each of its rows; "figures": of each "name", "value",
        "real" and "better", in the words of `table`, with "judged" on what, and "seen", whether the model was trained
        on that; "pages" that it has.
    """
    config = info.config
    told = {
        "name": name,
        "title": title,
        "chapter": CHAPTERS[chapter_of(name)[0]],
        "source": config.source or "",
        "lead": _lead(folder),
        "kind": "" if info.data.kind == UNKNOWN else info.data.kind,
        "size": config.image_size,
        "channels": config.channels,
        "parameters": list(parameter_counts(config)),
        "images": None,
        "time": "",
        "machine": info.machine,
        "strip": _uri(folder, run.PROGRESS_FILE) or "",
        "moments": [],
        "figures": [],
        "judged": "",
        "seen": False,
        "pages": [page for page in PAGES if (folder / page).is_file()],
    }
    try:
        model = table.read(folder)
        moments = moments_of(folder) if told["strip"] else None
    except GanError:  # nothing was logged yet, or its figures are damaged
        return told
    return told | {
        "images": model.last.get("images_seen"),
        "time": facts.duration(model.last["seconds"]),
        "moments": list(moments.values()) if moments else [],
        **_figures(model),
    }


def read_page(folder: Path, page: str) -> dict:
    """One of `PAGES`.

    Returns:
        "text", Markdown without its front matter, and "pictures": data URIs by the names that the text has for them.

    Raises:
        gan.run.RunError: no such page, or one that cannot be read.
    """
    if page not in PAGES:
        raise run.RunError(f"page {str(page)[:40]!r}: expected one of {', '.join(PAGES)}")
    try:
        text = read_inside(folder, page, MOST_JSON_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise run.RunError(f"{folder.name} has no {page} that can be read ({reason(error)})") from error
    names = list(dict.fromkeys(_PICTURE.findall(text)))[:_MOST_PICTURES]
    pictures = {name: uri for name in names if (uri := _uri(folder, name))}
    return {"text": _FRONT_MATTER.sub("", text.replace("\r\n", "\n")).strip(), "pictures": pictures}


def _lead(folder: Path) -> str:
    try:
        return lead_of(folder)
    except run.RunError:
        return ""


def _figures(model: table.Model) -> dict:
    """The figures of the result that it is known by, beside those of real pictures."""
    main = model.main
    if main is None:
        return {}
    try:
        found = [
            {"name": f.name, "value": f.text(main["generated"]), "real": f.text(main["real"]), "better": f.better}
            for f in FIGURES
            if f.key in _SHOWN and f.key in main["generated"]
        ]
        protocol = main["protocol"]
        judged = f"{protocol['images']:,} pictures of {protocol['size']} pixels against {protocol['held_out']}"
    except (KeyError, TypeError, ValueError):  # a stranger's
        return {}
    return {"figures": found, "judged": judged, "seen": bool(table.saw(main))}


def _uri(folder: Path, name: str) -> str | None:
    """A WebP of a model folder as an <img> takes it; None where there is none of a bearable size."""
    try:
        content = read_inside(folder, name, MOST_PICTURE)
    except OSError:
        return None
    if content[:4] + content[8:12] != b"RIFFWEBP":
        return None
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"
