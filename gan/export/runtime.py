"""What runs ONNX in a browser: two files of onnxruntime-web, of one version, known by their digests.

They are kept in the cache folder (`GAN_CACHE`), where `npm pack` brings them, and are no part of this project.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import logging
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gan.data.cache import cache_folder
from gan.errors import GanError
from gan.files import atomic_path

log = logging.getLogger(__name__)

VERSION = "1.30.0"
_PACKAGE = f"onnxruntime-web@{VERSION}"
_CDN = f"https://cdn.jsdelivr.net/npm/{_PACKAGE}/dist/"  # which sends other pages' scripts its files
_SECONDS = 600  # for 33 MB


@dataclass(frozen=True)
class File:
    """One of the runtime's files.

    Attributes:
        name: as in the package.
        bytes: how long it is.
        packed: about how much of that goes through a network, as gzip.
        integrity: its digest, as browsers take it.
    """

    name: str
    bytes: int
    packed: int
    integrity: str


# The build for WebAssembly alone; its module has all other scripts in it.
FILES = {
    "module": File(
        "ort.wasm.bundle.min.mjs", 73_054, 22_000,
        "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    ),
    "wasm": File(
        "ort-wasm-simd-threaded.wasm", 14_239_897, 3_660_000,
        "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
    ),
}  # fmt: skip


class RuntimeMissing(GanError):
    """The runtime cannot be had; the message says why, and what to do."""


def kept() -> Path | None:
    """The folder with the runtime's files, each beside itself as NAME.gz; None where they are not all there, whole."""
    folder = cache_folder() / f"onnxruntime-web-{VERSION}"
    try:
        for file in FILES.values():
            content = (folder / file.name).read_bytes()
            if not _is(file, content):
                return None
            if not (folder / f"{file.name}.gz").exists():
                return None
    except OSError:
        return None
    return folder


def obtained() -> Path:
    """As `kept`, brought by npm where they are not there.

    Raises:
        RuntimeMissing: there is no npm, or it did not bring them.
        OSError: the cache folder cannot be written to.
    """
    if folder := kept():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeMissing(f"{_PACKAGE} is not here, and there is no npm to bring it: install Node.js")
    folder = cache_folder() / f"onnxruntime-web-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        log.info("%s is brought by npm, once", _PACKAGE)
        for name, content in _packed(npm, Path(place)).items():
            for path, written in ((folder / name, content), (folder / f"{name}.gz", gzip.compress(content, mtime=0))):
                with atomic_path(path) as temporary:
                    temporary.write_bytes(written)
    return folder


def described(base: str) -> dict:
    """What runtime.json says (gan/web/engine/local.js).

    Args:
        base: where the files are: relative to runtime.json, or a whole address; ends with "/" or is "".
    """
    return {
        part: {"address": base + file.name, "bytes": file.bytes, "packed": file.packed, "integrity": file.integrity}
        for part, file in FILES.items()
    }


def described_elsewhere() -> dict:
    """As `described`, of a public network that sends them to any page: for pages that cannot serve them."""
    return described(_CDN)


def _packed(npm: str, place: Path) -> dict[str, bytes]:
    """The files' contents by name."""
    try:
        subprocess.run(
            [npm, "pack", _PACKAGE, "--silent"], cwd=place, check=True, timeout=_SECONDS, capture_output=True
        )
        (archive,) = place.glob("*.tgz")
        with tarfile.open(archive) as package:
            contents = {file.name: package.extractfile(f"package/dist/{file.name}").read() for file in FILES.values()}
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeMissing(f"npm did not bring {_PACKAGE} ({' '.join(said[-2:])[:300]}): try again later") from error
    except (OSError, ValueError, KeyError, AttributeError, tarfile.TarError, subprocess.TimeoutExpired) as error:
        raise RuntimeMissing(f"npm did not bring {_PACKAGE} ({error}): try again later") from error
    for file in FILES.values():
        if not _is(file, contents[file.name]):
            raise RuntimeMissing(f"npm brought another {file.name} than that of {_PACKAGE}: it is not used")
    return contents


def _is(file: File, content: bytes) -> bool:
    kind, _, digest = file.integrity.partition("-")
    return base64.b64encode(hashlib.new(kind, content).digest()).decode() == digest
