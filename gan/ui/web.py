"""What runs in the browser: the files of gan/web, read once, and served at a path that names their content.

    gr.HTML(html_template=text("morph/morph.html"), js_on_load=module("morph/morph.js", "opened", "make"))

A browser keeps them for good, and never mixes those of two versions: at another digest than its own the server has
nothing. A page that was opened before the server was started anew has them all already (`head`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gan.ui.isolated import EMBEDDER

WEB = Path(__file__).parents[1] / "web"
CLASSIC = "shared/connection.js"  # no module: it must be there before Gradio's client asks for anything
LOOK = "page.css"
_FIRST = ("engine/", "explore/", "latent/", "shared/")  # folders that the opening tab needs
_NO_MODULES = ("site/", "still/")  # the static edition's, and what stands in the page's own HTML
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_FILES = {
    path.relative_to(WEB).as_posix(): path.read_bytes() for path in sorted(WEB.rglob("*")) if path.suffix in _TYPES
}
DIGEST = hashlib.sha256(b"\0".join(part for name in _FILES for part in (name.encode(), _FILES[name]))).hexdigest()[:16]
_FOR_GOOD = EMBEDDER | {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{DIGEST}"'}


def text(*names: str) -> str:
    """Files of gan/web, one after the other."""
    return "".join(_FILES[name].decode() for name in names)


def module(name: str, *events: str) -> str:
    """For `js_on_load`: imports an ES module and mounts it.

    Args:
        name: of a file of gan/web that exports `mount({element, trigger, props, server, watch})`. When it is called,
            values may have come already: shared/following.js gives them to it. What it asks of other parts of the
            page waits for them, or they for it: shared/telling.js.
        events: that it triggers; Gradio lets a component have those alone that its script names.
    """
    return (
        f"// {' '.join(map(json.dumps, events))}\n"
        f"import({_address(name)}).then(({{ mount }}) => mount({{ element, trigger, props, server, watch }}))"
        ".catch((error) => { console.error(error);"
        'element.textContent = "This part of the page did not load: reload the page."; });'
    )


def call(name: str, function: str) -> str:
    """For an event's `js`: what an ES module's function gives of the event's inputs, for its outputs.

    Args:
        name: of a file of gan/web.
        function: that it exports; it is given the inputs' values, and returns a list of the outputs'.
    """
    return f"async (...values) => (await import({_address(name)})).{function}(...values)"


def head() -> str:
    """For the page's head: its look, what must be there first, and all modules, so that none is asked for in its turn.

    Gradio puts it in before it mounts any component, and runs a script there only if it stands in the page itself.
    """
    modules = [name for name in _FILES if name.endswith(".js") and name != CLASSIC and not name.startswith(_NO_MODULES)]
    # Those of the other tabs are asked for when the first face is there: shared/page.js.
    links = "".join(
        f'<link rel="{"modulepreload" if name.startswith(_FIRST) else "later"}" href="web/{DIGEST}/{name}">'
        for name in modules
    )
    # Not by Gradio's css_paths, which knows no container queries and drops them.
    look = f'<link rel="stylesheet" href="web/{DIGEST}/{LOOK}">'
    return f"{look}<script>{text(CLASSIC)}</script>{links}"


def route() -> Route:
    """Where the files are served."""
    return Route("/web/{digest}/{name:path}", _answer)


def _address(name: str) -> str:
    """As an expression of JavaScript; the page may lie at any path."""
    if name not in _FILES:
        raise FileNotFoundError(f"{WEB / name} is not there")
    return f'new URL("web/{DIGEST}/{name}", document.baseURI)'


async def _answer(request: Request) -> Response:
    name = request.path_params["name"]
    if request.path_params["digest"] != DIGEST or name not in _FILES:
        return PlainTextResponse("Not found", 404, {"Cache-Control": "no-store"})
    if request.headers.get("if-none-match") == _FOR_GOOD["ETag"]:
        return Response(None, 304, _FOR_GOOD)
    return Response(_FILES[name], 200, _FOR_GOOD, _TYPES[Path(name).suffix])
