"""Trainings as processes: what is true of each, whoever looks, and that none is left behind."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gan import run
from gan.data.drawn import draw_face
from gan.machine import is_alive, this_process
from gan.ui import training_process
from gan.ui.trainings import (
    DIED,
    FINISHED,
    RUNNING,
    STOPPED,
    STOPPING,
    WAITING,
    Training,
    Trainings,
    TrainingsError,
)
from gan.ui.uploads import MOST_BYTES, UploadError, Uploads

TINY = ["--preset=andreipop-celeba32", "--data=drawn:64", "--set=base_channels=2", "--batch-size=8", "--device=cpu"]
ENDLESS, SHORT = [*TINY, "--epochs=100000"], [*TINY, "--epochs=2"]
PAGE = """
import sys, time
from pathlib import Path
from gan.ui import training_process
from gan.ui.trainings import Trainings
training_process._LOWEST = 0
Trainings(Path(sys.argv[1])).begin("gone", sys.argv[2:], about="")
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path):
    monkeypatch.setattr(training_process, "_LOWEST", 0)  # beside other tests it would hardly get on
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


def until(true: Callable[[], object], seconds: float = 120) -> object:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return found


def states(trainings: Trainings) -> dict[str, str]:
    return {training.name: state for training, state in trainings.all()}


def seen(folder: Path) -> bool:
    """Whether a run has trained for a while."""
    return (folder / "samples" / "0001.webp").exists()


def test_one_trains_the_other_waits_is_stopped_killed_resumed_and_removed(tmp_path):
    trainings = Trainings(tmp_path)
    first = trainings.begin("long", ENDLESS, about="the first")
    second = trainings.begin("short", SHORT, about="the second")
    assert (first, second) == ("long-1", "short-1")
    until(lambda: seen(tmp_path / first))
    assert states(trainings) == {first: RUNNING, second: WAITING} == states(Trainings(tmp_path))  # any page's look
    process = trainings.get(first).process
    with pytest.raises(TrainingsError, match="is at work: stop it first"):
        trainings.remove(first)
    trainings.stop(first)
    until(lambda: states(trainings)[first] != STOPPING)
    until(lambda: states(trainings)[second] == FINISHED)
    assert states(trainings)[first] == STOPPED and not is_alive(process)
    assert (tmp_path / second / run.CARD_FILE).is_file()  # and sliders, where a classifier knows such pictures

    trainings.go_on(first)
    until(lambda: states(trainings)[first] == RUNNING)
    assert "--resume" in " ".join(trainings.get(first).next)
    trainings.stop(second)  # of one that is not at work: nothing
    os.killpg(trainings.get(first).process["pid"], signal.SIGKILL)
    until(lambda: states(trainings)[first] == DIED)
    assert "andreipop-celeba32 (cpu" in trainings.last_words(trainings.get(first))
    assert str(tmp_path) not in trainings.last_words(trainings.get(first))
    assert states(Trainings(tmp_path)) == {first: DIED, second: FINISHED}

    for name in (first, second):
        trainings.remove(name)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file() and "cache" not in path.parts}
    assert left <= {"lock"}


def test_a_training_ends_with_the_page_however_that_ends(tmp_path):
    runs = tmp_path / "runs"
    page = subprocess.Popen([sys.executable, "-c", PAGE, str(runs), *ENDLESS], cwd=Path(__file__).parents[2])
    try:
        until(lambda: seen(runs / "gone-1"))
    finally:
        page.kill()  # of all ends the one that it can do least about
        page.wait()
    trainings = Trainings(runs)
    process = trainings.get("gone-1").process
    until(lambda: not is_alive(process))
    assert states(trainings) == {"gone-1": STOPPED}
    assert trainings.can_go_on(trainings.get("gone-1"))
    assert not list(runs.rglob("*.part*"))


def test_a_number_that_another_process_has_by_now_is_no_training(tmp_path):
    trainings = Trainings(tmp_path)
    trainings.folder.mkdir()
    stale = this_process() | {"start": 1.0}
    trainings._write(Training("old-1", "", [], [], 1.0, began=1.0, process=stale))
    assert states(trainings) == {"old-1": DIED}
    trainings.stop("old-1", force=True)  # which ends nothing: this process goes on


def test_what_could_not_be_begun_says_why_and_begins_anew(tmp_path, monkeypatch):
    program = tmp_path / "program.py"  # train.py says it a few seconds later: tests/test_train_cli.py
    program.write_text("import sys; sys.exit('train.py: unknown preset ' + repr(sys.argv[1]))", encoding="utf-8")
    monkeypatch.setattr(training_process, "PROGRAM", program)
    trainings = Trainings(tmp_path / "runs")
    name = trainings.begin("none", ["none"], about="")
    until(lambda: states(trainings)[name] == DIED)
    assert "unknown preset 'none'" in trainings.last_words(trainings.get(name))
    with trainings._locked():  # it does not begin meanwhile
        trainings.go_on(name)
        assert trainings.get(name).next == trainings.get(name).arguments
        trainings.stop(name)
    assert states(trainings) == {name: STOPPED}


def test_room_is_made_by_the_oldest_unfinished_that_nobody_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_TRAIN_GB", "0.0003")
    trainings = Trainings(tmp_path)
    trainings.folder.mkdir()
    for number, (name, status, kept) in enumerate((("kept", 1, True), ("old", 1, False), ("new", 1, False))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(bytes(120_000))
        trainings._write(Training(name, "", [], [], number, kept=kept, began=1.0, status=status))
    trainings._make_room()
    assert set(states(trainings)) == {"kept", "new"} and not (tmp_path / "old").exists()
    trainings.keep("new", True)
    trainings.most_bytes = 1000
    with pytest.raises(TrainingsError, match="all are kept or at work: remove one first"):
        trainings.begin("more", SHORT, about="")
    monkeypatch.setenv("GAN_TRAIN_GB", "much")
    with pytest.raises(TrainingsError, match="GAN_TRAIN_GB=much: expected how many GB"):
        Trainings(tmp_path)


def send(uploads: Uploads, path: Path, name: str | None = None, piece: int = 50_000) -> dict:
    """As the browser does it."""
    content, answer = path.read_bytes(), {"upload": "", "offset": 0}
    while "name" not in answer:
        part = base64.b64encode(content[answer["offset"] : answer["offset"] + piece]).decode()
        asked = {"name": name or path.name, "size": len(content), "content": part}
        answer = uploads.take(asked | {key: answer[key] for key in ("upload", "offset")}, ())
    return answer


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_of_pictures_is_taken_in_pieces_and_others_in_a_sentence_with_nothing_left(tmp_path):
    uploads = Uploads(tmp_path / "uploads")
    files = []
    for index in range(60):
        file = io.BytesIO()
        Image.fromarray(draw_face(index, 32, 3)[0]).save(file, "png")
        files.append(file.getvalue())
    pictures = {f"a/{index}.png": content for index, content in enumerate(files)}
    answer = send(uploads, packed(tmp_path / "mine.zip", pictures), "my pictures (1).zip")
    assert answer["pictures"] == 60 and answer["name"] == "my-pictures-1.zip"
    assert uploads.path(answer["upload"]).read_bytes() == (tmp_path / "mine.zip").read_bytes()
    uploads.remove(answer["upload"])

    bomb = {**pictures, "bomb.png": bytes(40 * 2**20)}
    (tmp_path / "no.zip").write_bytes(b"no zip at all")
    for path, sentence in {
        packed(tmp_path / "bomb.zip", bomb): "no pictures pack like that",
        packed(tmp_path / "climbs.zip", {**pictures, "../../out.png": files[0]}): "climbs out of the zip",
        packed(tmp_path / "drive.zip", {**pictures, "C:\\out.png": files[0]}): "climbs out of the zip",
        packed(tmp_path / "text.zip", {f"{n}.txt": b"text" for n in range(60)}): "no picture among its 60 files",
        packed(tmp_path / "ten.zip", dict(list(pictures.items())[:10])): "holds 10 pictures: expected at least 50",
        packed(tmp_path / "fake.zip", {f"{n}.png": b"text" for n in range(60)}): "cannot be read as pictures",
        tmp_path / "no.zip": "is no zip, or a damaged one",
    }.items():
        with pytest.raises(UploadError, match=sentence):
            send(uploads, path)
        assert not list(uploads.folder.iterdir()), path
    asked = {"upload": "", "offset": 0, "name": "a.zip", "size": 10, "content": "AAAA"}
    for wrong, sentence in (
        ({"name": "a.exe"}, "expected a zip of pictures"),
        ({"size": MOST_BYTES + 1}, "expected a zip of at most 256 MB"),
        ({"upload": "../../../../etc"}, "is not known here"),
        ({"offset": 5}, "did not arrive whole"),
        ({"content": "?"}, "did not arrive whole"),
    ):
        with pytest.raises(UploadError, match=sentence):
            uploads.take(asked | wrong, ())
        assert not list(uploads.folder.iterdir()), wrong
