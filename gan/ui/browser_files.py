"""What a visitor's browser needs to draw by itself, under browser/, as gan/web/engine/local.js asks for it.

    browser/runtime.json                     what runs the networks, and where it is
    browser/runtime/VERSION/NAME             its files, where they lie on this machine
    browser/detector.json, detector/         likewise what finds faces in photos
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
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gan.export.onnx import FILE
from gan.export.packages import PACKAGES, Package, PackageMissing
from gan.run import RunError
from gan.ui.browser_models import BrowserModels
from gan.ui.library import Library

log = logging.getLogger(__name__)

BASE = "browser/"  # under the page's own address
_AGAIN = 5  # seconds after which to ask again for what is being made
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_ANEW = {"Cache-Control": "no-cache"}
_NETWORK = re.compile(r"[a-z]+(-\d+)?-[0-9a-f]{12}\.(onnx|bin)")
_NETWORK_TYPE = "application/octet-stream"
_TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm", ".onnx": _NETWORK_TYPE}


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
        self._packages = [_Brought(name, package, self._models.later) for name, package in PACKAGES.items()]

    def routes(self) -> list[Route]:
        """Where it is served: nowhere, if it is not to be."""
        if not is_on():
            return []
        return [
            *(route for package in self._packages for route in package.routes()),
            Route("/browser/models/{model:path}/{file}", self._send_model),
        ]

    def prepare(self, model: str) -> None:
        """Let be brought and made what the first visitor will ask for; raises `RunError` like `Library.entry`."""
        if is_on():
            runtime, *others = self._packages
            runtime.find()
            self._models.find(model)
            for package in others:  # after the model: a first face waits for none of them
                package.find()

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
        return await _file(folder / file, _FOR_GOOD, _NETWORK_TYPE)


class _Brought:
    """A package's files, from where they are: here, or on a public network.

    Args:
        name: what its addresses begin with.
        later: does what takes long, after all others of its kind.
    """

    def __init__(self, name: str, package: Package, later: Callable[[Callable[[], None]], None]) -> None:
        self._name, self._package, self._later = name, package, later
        self._folder: Path | None = None
        self._asked = self._elsewhere = False

    def routes(self) -> list[Route]:
        return [
            Route(f"/browser/{self._name}.json", self._tell),
            Route(f"/browser/{self._name}/{{version}}/{{file}}", self._send),
        ]

    def find(self) -> None:
        """Look for it, and let it be brought where it is not there."""
        if self._asked:
            return
        self._asked = True
        self._folder = self._package.kept()
        if not self._folder and shutil.which("npm"):
            self._later(self._bring)
        else:
            self._elsewhere = not self._folder

    async def _tell(self, _: Request) -> Response:
        await run_in_threadpool(self.find)
        if self._folder:
            return JSONResponse(self._package.described(f"{self._name}/{self._package.version}/"), 200, _ANEW)
        if self._elsewhere:
            return JSONResponse(self._package.described_elsewhere(), 200, _ANEW)
        return _not_yet()

    async def _send(self, request: Request) -> Response:
        version, name = request.path_params["version"], request.path_params["file"]
        known = name in {file.name for file in self._package.files.values()}
        if version != self._package.version or not known or not self._folder:
            return _nothing()
        path, headers = self._folder / name, _FOR_GOOD | {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            path, headers = Path(f"{path}.gz"), headers | {"Content-Encoding": "gzip"}
        return await _file(path, headers, _TYPES.get(Path(name).suffix, "text/plain"))

    def _bring(self) -> None:
        try:
            self._folder = self._package.obtained()
        except (PackageMissing, OSError) as error:
            log.warning("browsers are sent to a public network for %s: %s", self._package, error)
            self._elsewhere = True


async def _file(path: Path, headers: dict, kind: str) -> Response:
    if not await run_in_threadpool(path.is_file):
        return _nothing()
    return FileResponse(path, 200, headers, kind)


def _not_yet() -> Response:
    return Response(None, 204, _ANEW | {"Retry-After": str(_AGAIN)})


def _nothing() -> Response:
    return PlainTextResponse("Not found", 404, {"Cache-Control": "no-store"})
