"""What a visitor's browser needs to draw by itself, under browser/, as gan/web/engine/local.js asks for it.

    browser/runtime.json                     what runs the networks, and where it is
    browser/runtime/VERSION/NAME             its files, where they lie on this machine
    browser/models/NAME/model.json           what a page has to know of a model
    browser/models/NAME/generator-....onnx   and its networks, as model.json names them

204 says that something is not there, with Retry-After that it will be. `GAN_BROWSER=off` leaves all drawing to the
server, and keeps the networks from visitors, who otherwise are sent them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gan.export import runtime
from gan.export.onnx import FILE
from gan.export.runtime import RuntimeMissing
from gan.run import RunError
from gan.ui.browser_models import BrowserModels
from gan.ui.library import Library

log = logging.getLogger(__name__)

BASE = "browser/"  # under the page's own address
_AGAIN = 5  # seconds after which to ask again for what is being made
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_ANEW = {"Cache-Control": "no-cache"}
_NETWORK = re.compile(r"[a-z]+(-\d+)?-[0-9a-f]{12}\.(onnx|bin)")
_TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}


def is_on() -> bool:
    """Whether visitors' browsers may draw by themselves."""
    return os.environ.get("GAN_BROWSER", "").strip().lower() not in ("off", "0", "no", "false")


class BrowserFiles:
    """What is served to browsers that draw by themselves.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self._models = BrowserModels(library)
        self._runtime: Path | None = None
        self._asked = self._elsewhere = False

    def routes(self) -> list[Route]:
        """Where it is served: nowhere, if it is not to be."""
        if not is_on():
            return []
        return [
            Route("/browser/runtime.json", self._tell_runtime),
            Route("/browser/runtime/{version}/{name}", self._send_runtime),
            Route("/browser/models/{model:path}/{file}", self._send_model),
        ]

    def prepare(self, model: str) -> None:
        """Let be brought and made what the first visitor will ask for; raises `RunError` like `Library.entry`."""
        if is_on():
            self._find_runtime()
            self._models.find(model)

    async def _tell_runtime(self, _: Request) -> Response:
        await run_in_threadpool(self._find_runtime)
        if self._runtime:
            return JSONResponse(runtime.described(f"runtime/{runtime.VERSION}/"), 200, _ANEW)
        if self._elsewhere:
            return JSONResponse(runtime.described_elsewhere(), 200, _ANEW)
        return _not_yet()

    async def _send_runtime(self, request: Request) -> Response:
        name = request.path_params["name"]
        known = name in {file.name for file in runtime.FILES.values()}
        if request.path_params["version"] != runtime.VERSION or not known or not self._runtime:
            return _nothing()
        path, headers = self._runtime / name, _FOR_GOOD | {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            path, headers = Path(f"{path}.gz"), headers | {"Content-Encoding": "gzip"}
        return await _file(path, headers, _TYPES[Path(name).suffix])

    async def _send_model(self, request: Request) -> Response:
        model, file = request.path_params["model"], request.path_params["file"]
        if file != FILE and not _NETWORK.fullmatch(file):
            return _nothing()
        try:
            folder, later = await run_in_threadpool(self._models.find, model)
        except (RunError, OSError):
            return _nothing()
        if folder is None:
            return _not_yet() if later else Response(None, 204, _ANEW)
        if file == FILE:
            facts = await run_in_threadpool((folder / FILE).read_text, "utf-8")
            return JSONResponse(json.loads(facts), 200, _ANEW)
        return await _file(folder / file, _FOR_GOOD, "application/octet-stream")

    def _find_runtime(self) -> None:
        """Look for the runtime, and let it be brought where it is not there."""
        if self._runtime or self._elsewhere or self._asked:
            return
        self._asked = True
        self._runtime = runtime.kept()
        if not self._runtime and shutil.which("npm"):
            self._models.later(self._bring_runtime)
        else:
            self._elsewhere = not self._runtime

    def _bring_runtime(self) -> None:
        try:
            self._runtime = runtime.obtained()
        except (RuntimeMissing, OSError) as error:
            log.warning("browsers are sent to a public network for onnxruntime-web: %s", error)
            self._elsewhere = True


async def _file(path: Path, headers: dict, kind: str) -> Response:
    if not await run_in_threadpool(path.is_file):
        return _nothing()
    return FileResponse(path, 200, headers, kind)


def _not_yet() -> Response:
    return Response(None, 204, _ANEW | {"Retry-After": str(_AGAIN)})


def _nothing() -> Response:
    return PlainTextResponse("Not found", 404, {"Cache-Control": "no-store"})
