"""The static edition: the page as a folder of files, for any static host. The visitor's browser draws.

    index.html             the page, and what it has to know of the models
    sw.js                  keeps it in the visitor's browser, for when there is no network
    web/DIGEST/            modules and styles; their digest is in the address, so that versions never mix
    runtime.json, runtime/ what runs the networks (gan.export.packages)
    detector.json, detector/ what finds faces in photos, likewise
    models/NAME/           as gan.export.onnx writes them
    replay/NAME/           run.json, history.csv, curves.png and the sheets of a run
    cards/                 models.json, what the Models tab shows, pages/NAME.json, the card of each, and briefs.json,
                           what is said beside a choice of models

All addresses are relative: the folder may lie anywhere on a host.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import importlib.util
import json
import logging
import re
import shutil
import string
from collections.abc import Sequence
from pathlib import Path

from gan.data.photo import LEAST_SIDE, MAX_BYTES, MAX_PIXELS
from gan.data_record import CELEBA
from gan.errors import GanError
from gan.export.onnx import FILE, export
from gan.export.packages import DETECTOR, RUNTIME, Package, PackageMissing
from gan.files import write_text
from gan.films.replay import described, load_replay
from gan.history import read_sheet
from gan.hub import local_folder
from gan.metrics.marks import known_marks
from gan.report.brief import brief
from gan.report.overview import read_page, row
from gan.run import HISTORY_FILE, RunError, RunInfo, is_run, read_info
from gan.titles import chapter_of, place_of, rank, title_of

log = logging.getLogger(__name__)

WEB = Path(__file__).parents[1] / "web"
# For the placeholders of the tabs' HTML; what Gradio's page gives them stands in gan.ui.
FACTS = {
    "explore/maker.html": {"longest": 40},
    "morph/morph.html": {"formats": "webm gif", "most": 8, "frames": 120},
    "photo/photo.html": {"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "least": LEAST_SIDE},
    "replay/replay.html": {"films": "", "gif": ""},
}
_SLIDERS = 16  # on the page at a time
_PAGE, _WORKER = "site/page.js", "engine/worker.js"
# Of Gradio's page alone; and what lies elsewhere.
_NOT_HERE = ("shared/connection.js", "explore/face.js", "still/", "train/", "site/sw.js")
_BRIEFS = Path("cards/briefs.json")  # kept in the visitor's browser with the page
_FIRST = ("generator", "critic")  # networks that draw what Explore shows
_OURS = ("web", "runtime", "detector", "models", "replay", "cards")  # folders: what is not of this site is removed
_FONTS = (("IBM Plex Sans", 400, "Regular"), ("IBM Plex Sans", 700, "Bold"), ("IBM Plex Mono", 400, "Regular"))
_MOST_SHEET = 16 * 2**20  # bytes
_SPACE = """---
title: GAN Faces
emoji: 🙂
colorFrom: indigo
colorTo: pink
sdk: static
app_file: index.html
short_description: Drag latent sliders and watch a face change
tags: [gan, dcgan, faces, mnist, latent-space]
license: {license}
---
# GAN Faces

Nobody in these pictures exists. A small neural network draws each face from a row of random numbers, here in your own
browser: drag a slider and the face follows. There is no server that could see what you do.
{terms}"""


class SiteError(GanError):
    """A site that cannot be written; the message says why, and what to do."""


def build(out: Path, models: Sequence[str | Path], *, space: bool = False) -> Path:
    """Write the static edition.

    Args:
        out: a folder that is empty, or not there, or that this wrote before.
        models: model folders; our own recipe's largest is the one that the page begins with.
        space: with the README.md of a static Space.

    Returns:
        `out`.

    Raises:
        SiteError: `out` holds something else, or two models have one name.
        gan.export.packages.PackageMissing: what runs the networks cannot be had.
        gan.export.conversion.ExportError, gan.run.RunError, OSError: as `gan.export.onnx.export`.
    """
    _check_folder(out)
    folders = _ordered(models)
    files = _write_package(out, "runtime", RUNTIME, RUNTIME.obtained())
    try:
        files += _write_package(out, "detector", DETECTOR, DETECTOR.obtained())
    except PackageMissing as error:  # all but one convenience works without it
        log.warning("Photo will look for no faces by itself: %s", error)
        files += _write_package(out, "detector", DETECTOR, None)
    for name, folder in folders.items():
        log.info("%s: its networks", name)
        files += _inside(out, export(folder, out / "models"))
        files += _inside(out, _write_replay(folder, out / "replay" / name))
    files += [path.relative_to(out).as_posix() for path in _write_cards(folders, out / "cards")]
    terms = _terms([read_info(folder) for folder in folders.values()])
    web, modules = _write_web(out)
    write_text(out / "index.html", _page(web, folders, terms))
    shell = ["index.html", *modules, _BRIEFS.as_posix()]
    _write_keeper(out, shell, files)
    if space:
        licence = "other" if terms else "mit"
        write_text(out / "README.md", _SPACE.format(license=licence, terms=f"\n{terms}\n" if terms else ""))
    _remove_others(out, {*shell, *files})
    return out


def _check_folder(out: Path) -> None:
    there = [path.name for path in out.iterdir() if not path.name.startswith(".")] if out.exists() else []
    if there and not {"index.html", "sw.js"}.issubset(there):
        raise SiteError(f"{out} holds other things ({', '.join(sorted(there)[:3])}): give an empty folder")


def _write_package(out: Path, name: str, package: Package, brought: Path | None) -> list[str]:
    """A package's files from where they were brought to, and what tells of them: of none, where there are none."""
    base = f"{name}/{package.version}/"
    files = [base + file.name for file in package.files.values()] if brought else []
    for file in files:
        _copy(brought / Path(file).name, out / file)
    write_text(out / f"{name}.json", json.dumps(package.described(base) if brought else {}))
    return [*files, f"{name}.json"]


def _ordered(models: Sequence[str | Path]) -> dict[str, Path]:
    """Model folders by name, the one to begin with first: our own recipe's, the more pixels the better."""
    found: dict[str, Path] = {}
    for model in models:
        folder = local_folder(model)
        if not is_run(folder):
            raise RunError(f"{folder} is no model folder: expected one like weights/faces64")
        name = folder.resolve().name
        if name in found:
            raise SiteError(f"two of the models are called {name}: rename one of the folders")
        found[name] = folder

    first = max(found, key=lambda name: rank(read_info(found[name]).config))
    return {name: found[name] for name in sorted(found, key=lambda name: (name != first, place_of(name)))}


def _write_replay(folder: Path, out: Path) -> Path:
    """A run's replay as files: its numbers, its history, a picture of its curves, and its sheets."""
    from gan.films.replay_film import curves_png  # matplotlib

    replay = load_replay(folder)
    out.mkdir(parents=True, exist_ok=True)
    written, sheets = set(), []
    for sheet in replay.sheets:
        try:
            content = read_sheet(sheet.path, _MOST_SHEET)
        except RunError as error:
            log.warning("left out: %s", error)
            continue
        written.add(_write(out / f"{sheet.index:04}.webp", content))
        sheets.append(sheet)
    if replay.rows:
        written.add(_write(out / HISTORY_FILE, (folder / HISTORY_FILE).read_bytes()))
        written.add(_write(out / "curves.png", curves_png([replay])))
    facts = described(
        dataclasses.replace(replay, sheets=tuple(sheets)),
        lambda path: hashlib.sha256(path.read_bytes()).hexdigest()[:12],
    )
    told = {"stamp": "", "problem": replay.problem or "", "training": False, **facts}
    written.add(_write(out / "run.json", json.dumps(told).encode()))
    for path in out.iterdir():
        if path not in written:
            path.unlink()
    return out


def _write_cards(models: dict[str, Path], out: Path) -> list[Path]:
    """What the page says of models, as gan/ui/models_server.py answers; returns the files."""
    rows, briefs, written = [], {}, []
    for name in sorted(models, key=chapter_of):
        info = read_info(models[name])
        briefs[name] = brief(name, models[name], info)
        rows.append(row(name, title_of(name, info.config), models[name], info))
        pages = {page: read_page(models[name], page) for page in rows[-1]["pages"]}
        written.append(_write(out / "pages" / f"{name}.json", json.dumps(pages).encode()))
    whole = {"models.json": {"models": rows}, _BRIEFS.name: {"briefs": briefs}}
    return [*written, *(_write(out / name, json.dumps(content).encode()) for name, content in whole.items())]


def _write_web(out: Path) -> tuple[str, list[str]]:
    """Modules and styles; returns their folder's address, which names what they contain, and their addresses."""
    contents = {
        path.relative_to(WEB).as_posix(): path.read_bytes()
        for path in sorted(WEB.rglob("*"))
        if path.suffix in (".js", ".svg") and not path.relative_to(WEB).as_posix().startswith(_NOT_HERE)
    }
    contents["site.css"] = _styles().encode()
    for _, _, file in _font_files():
        contents[f"fonts/{file.name}"] = file.read_bytes()
    digest = hashlib.sha256(b"\0".join(part for name in contents for part in (name.encode(), contents[name])))
    web = f"web/{digest.hexdigest()[:16]}/"
    for name, content in contents.items():
        _write(out / web / name, content)
    return web, [web + name for name in contents]


def _styles() -> str:
    """One style sheet, in the order in which Gradio's page has its own, ours, and those of tabs."""
    faces = (
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-display: optional; '
        f'src: url("fonts/{file.name}") format("woff2"); }}'
        for family, weight, file in _font_files()
    )
    tabs = (
        f"#{tab}-viewer {{\n{_text('shared/viewers.css')}{_text(f'{tab}/{tab}.css')}}}"
        for tab in ("morph", "photo", "replay", "models")
    )
    return "\n".join([*faces, _text("site/theme.css"), _text("site/site.css"), _text("page.css"), *tabs])


def _font_files() -> list[tuple[str, int, Path]]:
    """The Gradio page's fonts, where Gradio is installed, which brings them; else the visitor's own are used."""
    gradio = importlib.util.find_spec("gradio")
    if gradio is None or gradio.origin is None:
        return []
    home = Path(gradio.origin).parent / "templates" / "frontend" / "static" / "fonts"
    folders = ((family, weight, family.replace(" ", ""), style) for family, weight, style in _FONTS)
    found = [(family, weight, home / name / f"{name}-{style}.woff2") for family, weight, name, style in folders]
    return [font for font in found if font[2].exists()]


def _page(web: str, models: dict[str, Path], terms: str) -> str:
    offsets = '<div class="block offset" hidden></div>' * _SLIDERS
    titles = {name: title_of(name, read_info(folder).config) for name, folder in models.items()}
    marks = {name: known_marks(folder) for name, folder in models.items()}
    site = json.dumps({"models": list(models), "titles": titles, "marks": marks}).replace("<", "\\u003c")
    parts = {
        "web": web,
        "preload": "\n".join(f'<link rel="modulepreload" href="{web}{name}">' for name in _needed(_PAGE, _WORKER)),
        "site": site,
        "header": _text("shared/header.html"),
        "brief": _text("shared/brief.html"),
        "offsets": offsets,
        "terms": f'<p class="terms">{html.escape(terms)}</p>' if terms else "",
        **{
            name: _text(f"explore/{name}.html") for name in ("stage", "seen", "tools", "moved", "shape", "maker", "pad")
        },
        **{name: _text(f"{name}/{name}.html") for name in ("morph", "photo", "replay", "models")},
    }
    return string.Template(_text("site/index.html")).substitute(parts)


def _text(name: str) -> str:
    """A file of gan/web, with its placeholders filled."""
    text = (WEB / name).read_text(encoding="utf-8")
    return string.Template(text).substitute(FACTS[name]) if name in FACTS else text


def _needed(*names: str) -> list[str]:
    """Modules that others import before they do anything, and those themselves."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found[name] = None
        imported = re.findall(r'^(?:import|export)\b[^;"(]* from "(\.[^"]+)"', _text(name), re.MULTILINE)
        waiting += [((WEB / name).parent / other).resolve().relative_to(WEB.resolve()).as_posix() for other in imported]
    return list(found)


def _write_keeper(out: Path, shell: list[str], files: list[str]) -> None:
    """The service worker, which knows of every file."""
    drawing = [name for name in files if name.startswith("runtime") or _draws(name)]
    sizes = {name: (out / name).stat().st_size for name in [*shell, *files]}
    contents = hashlib.sha256()
    for name in sizes:
        contents.update(name.encode() + b"\0" + (out / name).read_bytes())
    site = {"version": contents.hexdigest()[:16], "shell": shell, "drawing": drawing, "all": sizes}
    write_text(out / "sw.js", f"self.SITE = {json.dumps(site)};\n{_text('site/sw.js')}")


def _draws(name: str) -> bool:
    kind = Path(name).name
    return name.startswith("models/") and (kind == FILE or kind.startswith(tuple(f"{first}-" for first in _FIRST)))


def _terms(infos: Sequence[RunInfo]) -> str:
    """What visitors are told of the models' terms."""
    if any(part.terms == CELEBA for info in infos for part in info.all_parts):
        return "Models that were trained on CelebA (Liu et al. 2015) are for non-commercial research only."
    return ""


def _remove_others(out: Path, ours: set[str]) -> None:
    """What an earlier site had and this one has not."""
    for top in _OURS:
        for path in sorted((out / top).rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(out).as_posix() not in ours:
                path.unlink()


def _inside(out: Path, folder: Path) -> list[str]:
    return [path.relative_to(out).as_posix() for path in sorted(folder.iterdir()) if path.is_file()]


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
