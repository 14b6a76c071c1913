"""What pictures are is recorded and carried on; a name never says it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CELEBA, DRAWN, go, history

from gan import run
from gan.data import images as images_module
from gan.data.images import load_data
from gan.data.sources import absolute, record_of
from gan.data_record import BUILT_IN, DataRecord, SourceRecord, identity_of
from gan.metrics.held_out import load_split, saw_held_out
from gan.run import Earlier, RunError
from gan.training.checks import TrainingError
from gan.training.loop import Limits


@pytest.mark.parametrize(
    "name", ["hand-drawn-portraits", "fashion-mnist", "ukiyo-e + manga", "mnist", "celeba", "drawn"]
)
def test_a_folder_s_name_says_nothing(tmp_path, name):
    (tmp_path / name).mkdir()
    record = record_of(str(tmp_path / name))
    assert (record.name, record.kind, record.terms, record.is_built_in) == (name, "unknown", "", False)
    assert record.source in (name, f"./{name}")  # which --data would not take for a built-in source


def test_built_in_sources_know_themselves():
    assert record_of("mnist-test", "faces", "mine") == BUILT_IN["mnist-test"]
    assert record_of("drawn:70") == SourceRecord("drawn faces", "drawn:70", "unknown", "drawn")
    assert record_of("x.zip", "faces", "Mine.") == SourceRecord("x.zip", "x.zip", "faces", "Mine.")


def test_what_was_read_is_recorded(load, folder, tmp_path):
    options = dict(image_size=8, channels=3, cache_dir=tmp_path / "cache", progress=False)
    images, record = load_data(["drawn:3"], **options)
    assert (record.images, record.identity) == (3, identity_of(images))
    assert load_data(["drawn:3"], **options)[1] == record
    assert load_data(["drawn:4"], **options)[1].identity != record.identity


def test_identity_differs_with_pixels_order_and_shape(pictures):
    others = [pictures[::-1], 255 - pictures, pictures[:-1], pictures.reshape(44, 8, 32, 3)]
    assert len({identity_of(images) for images in (pictures, *others)}) == 5
    assert identity_of(np.asfortranarray(pictures)) == identity_of(pictures)


def test_a_mixture_is_of_a_kind_only_where_all_of_it_is():
    known, unknown = SourceRecord("a", "a", "faces"), SourceRecord("b", "b")
    assert DataRecord((BUILT_IN["celeba"], known)).kind == "faces"
    assert DataRecord((BUILT_IN["celeba"], unknown)).kind == "unknown"
    assert DataRecord((BUILT_IN["celeba"], BUILT_IN["mnist"])).kind == "unknown"


@pytest.mark.parametrize(
    ("words", "kind", "terms"),
    [
        ("MNIST", "digits", ["mnist"]),
        ("CelebA + my-photos", "unknown", ["celeba", ""]),
        ("drawn faces", "unknown", ["drawn"]),
        ("img_align_celeba.zip", "unknown", [""]),
        ("ukiyo-e + manga", "unknown", ["", ""]),
    ],
)
def test_an_older_folder_s_words_are_understood(run_copy, words, kind, terms):
    path = run_copy / "config.json"
    content = json.loads(path.read_text(encoding="utf-8")) | {"data": {"sources": words, "images": 44}}
    content["start"] = {"model": "m", "data": "CelebA", "images_seen": 8, "epoch": 1.0, "continued": False}
    path.write_text(json.dumps(content), encoding="utf-8")
    info = run.read_info(run_copy)
    assert (info.data.words, info.data.images, info.data.kind) == (words, 44, kind)
    assert [part.terms for part in info.data.parts] == terms
    assert info.all_parts[0] == BUILT_IN["celeba"]


@pytest.mark.parametrize(
    "damage",
    [{"images": "44"}, {"parts": 3}, {"parts": [{"name": 1}]}, {"parts": [{"no": "x"}]}, {"identity": 5}, {"files": 5},
     {"parts": [{"name": "x", "kind": "cats"}]}],
)  # fmt: skip
def test_a_damaged_record_is_a_sentence(run_copy, damage):
    path = run_copy / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["data"] |= damage
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match="is damaged"):
        run.read_info(run_copy)


def test_paths_mean_the_same_from_everywhere(tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute("faces") == str(tmp_path / "faces")
    assert [absolute(word) for word in ("celeba", "drawn:5", "nowhere.zip")] == ["celeba", "drawn:5", "nowhere.zip"]


# ------------------------------------------------------------------------------------ going on with a run


@pytest.fixture(autouse=True)
def no_sliders(monkeypatch):
    monkeypatch.setattr("gan.latent.directions.find_for_run", lambda folder: None)  # another thing, and slow


def test_other_pictures_are_known_by_their_content(tiny_config, pictures, tmp_path):
    out = tmp_path / "a"
    go(tiny_config, pictures, out)

    def files():
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != run.STATE_FILE}

    before = files()
    with pytest.raises(TrainingError, match=r"was trained on other pictures: drawn faces \(44\).*--new-data"):
        go(tiny_config, 255 - pictures, out, resume=True, limits=Limits(3))
    assert files() == before
    assert go(tiny_config, pictures, out, resume=True, limits=Limits(3)).images_seen == 120


def test_new_data_are_named_everywhere_and_carry_the_terms_of_both(tiny_config, pictures, tmp_path):
    out = tmp_path / "a"
    go(tiny_config, pictures, out, data=CELEBA)
    others = DataRecord((SourceRecord("mine.zip", "mine.zip"),))
    options = dict(resume=True, new_data=True, data=others)
    outcome = go(tiny_config, 255 - pictures[:20], out, limits=Limits(4), **options)
    assert outcome.images_seen == 80 + 2 * 16  # two epochs more, each of two batches of 8
    rows = history(out)
    (event,) = [row for row in rows if row["event"]]
    assert event["event"] == "other pictures from here on: mine.zip (20), no longer CelebA (44)"
    assert (event["images_seen"], event["epoch"], rows[-1]["epoch"]) == (80, 2.0, 4.0)
    info = run.read_info(out)
    assert (info.data.words, info.data.images) == ("mine.zip", 20)
    assert [(part.data.words, part.images_seen) for part in info.earlier] == [("CelebA", 80)]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| Data | mine.zip; before: CelebA (44 pictures) until 80 pictures seen |" in card
    assert "license_name: celeba-non-commercial-research" in card and "of mine.zip nobody recorded" in card
    assert (
        "--data celeba --all-splits --max-images 80`, then `python train.py --resume a --new-data --data mine.zip"
        in card
    )
    # from now on these are the run's own
    with pytest.raises(TrainingError, match="other pictures"):
        go(tiny_config, pictures, out, resume=True, limits=Limits(5))
    assert go(tiny_config, 255 - pictures[:20], out, data=others, resume=True, limits=Limits(5)).images_seen == 128
    assert len([row for row in history(out) if row["event"]]) == 1


def test_a_change_that_was_cut_short_is_made_once(tiny_config, pictures, tmp_path, monkeypatch):
    """Killed between config.json, which names the others, and the checkpoint, which does not know of them yet."""
    out = tmp_path / "a"
    go(tiny_config, pictures, out)
    others = 255 - pictures
    monkeypatch.setattr("gan.training.recorder.Recorder.note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        go(tiny_config, others, out, resume=True, new_data=True, limits=Limits(3))
    monkeypatch.undo()
    go(tiny_config, others, out, resume=True, limits=Limits(3))
    assert len([row for row in history(out) if row["event"]]) == 1 and len(run.read_info(out).earlier) == 1


def test_the_same_pictures_from_elsewhere_keep_their_terms(tiny_config, pictures, tmp_path):
    out = tmp_path / "a"
    go(tiny_config, pictures, out, data=CELEBA)
    go(tiny_config, pictures, out, data="copied.zip", resume=True, limits=Limits(3))
    assert run.read_info(out).data.parts == CELEBA.parts


def test_a_user_s_word_is_added_to_what_a_zip_does_not_say(tiny_config, pictures, tmp_path):
    out, zipped = tmp_path / "a", SourceRecord("a.zip", "a.zip")
    go(tiny_config, pictures, out, data=DataRecord((zipped,)))
    told = SourceRecord("a.zip", "a.zip", "digits", "Mine.")
    go(tiny_config, pictures, out, data=DataRecord((told,)), resume=True, limits=Limits(3))
    go(tiny_config, pictures, out, data=DataRecord((zipped,)), resume=True, limits=Limits(4))
    assert run.read_info(out).data.parts == (told,)


@pytest.fixture
def other_decoder(monkeypatch, tmp_path):
    """The same files decoded by another version: some pixels are a little brighter, and no cache knows them."""
    decode = images_module.decoded_to

    def decoded_otherwise(*arguments, **options):
        pixels, note = decode(*arguments, **options)
        return pixels + (pixels % 7 == 3).astype(pixels.dtype), note

    monkeypatch.setattr(images_module, "decoded_to", decoded_otherwise)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "another machine's cache"))


@pytest.fixture
def faces(folder, pictures):
    """A folder of 44 pictures."""
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i:02}.png")
    return folder


def read_faces(folder, config):
    """Pictures and record, as train.py reads them."""
    return load_data([str(folder)], image_size=config.image_size, channels=config.channels, progress=False)


def test_the_same_files_are_the_same_pictures_whatever_decodes_them(tiny_config, faces, tmp_path, request):
    out, more = tmp_path / "a", tmp_path / "more"
    images, record = read_faces(faces, tiny_config)
    go(tiny_config, images, out, data=record)
    request.getfixturevalue("other_decoder")
    others, same = read_faces(faces, tiny_config)
    assert same.identity != record.identity == run.read_info(out).data.identity and same.files == record.files
    assert go(tiny_config, others, out, data=same, resume=True, limits=Limits(3)).images_seen == 120
    assert run.read_info(out).data == same and not run.read_info(out).earlier
    go(tiny_config, others, more, data=same, start_from=out, limits=Limits(1))
    assert run.read_info(more).start.continued
    fewer = dataclasses.replace(same, images=len(others) - 1, identity="of one less")  # which cannot be read any more
    with pytest.raises(TrainingError, match="other pictures"):
        go(tiny_config, others[:-1], out, data=fewer, resume=True)


@pytest.mark.parametrize("size", [16, 12])
def test_a_model_saw_the_files_whatever_decodes_them(tiny_config, faces, tmp_path, request, size):
    """And however large they are judged: another folder of as many pictures is another one where that can be known."""
    images, record = read_faces(faces, tiny_config)
    go(tiny_config, images, tmp_path / "a", data=record)
    request.getfixturevalue("other_decoder")
    info = run.read_info(tmp_path / "a")
    assert saw_held_out(info, load_split([str(faces)], size=size, channels=3))
    for path in faces.iterdir():
        with Image.open(path) as picture:
            inverted = Image.fromarray(255 - np.asarray(picture))
        inverted.save(path)
    assert saw_held_out(info, load_split([str(faces)], size=size, channels=3)) == (size != tiny_config.image_size)


def test_a_run_without_a_recorded_identity_goes_on_with_as_many_pictures(tiny_config, pictures, tmp_path):
    out = tmp_path / "a"
    go(tiny_config, pictures, out)
    run.write_data(out, DataRecord(DRAWN.parts, 44))
    with pytest.raises(TrainingError, match="other pictures"):
        go(tiny_config, pictures[:-1], out, resume=True, limits=Limits(3))
    go(tiny_config, pictures, out, resume=True, limits=Limits(3), data="mine")
    data = run.read_info(out).data
    assert (data.words, data.identity) == ("drawn faces + mine", identity_of(pictures))


def test_the_record_round_trips(run_copy):
    data = DataRecord((BUILT_IN["celeba"], SourceRecord("a | b", "./mnist", "digits", "Mine.")), 9, "0f", "1e")
    run.write_data(run_copy, data, Earlier(DataRecord(DRAWN.parts, 44, "ab"), 8))
    info = run.read_info(run_copy)
    assert info.data == data and info.earlier == (Earlier(DataRecord(DRAWN.parts, 44, "ab"), 8),)
    assert info.all_parts == DRAWN.parts + data.parts
