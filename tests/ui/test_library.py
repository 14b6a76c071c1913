"""What the page knows about its model folders: whole, broken, half written, in training."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gan import load_generator
from gan.history import snapshots
from gan.models import Generator
from gan.presets import PRESETS
from gan.run import FINISHED, STATE_FILE, TRAINING, RunError, write_state
from gan.sampling import latents
from gan.ui import library as module
from gan.ui.library import Library
from gan.weights import save_weights


@pytest.fixture
def roots(tmp_path: Path, tiny_run: Path) -> tuple[Path, Path]:
    """weights/one, runs/two."""
    shutil.copytree(tiny_run, tmp_path / "weights" / "one")
    shutil.copytree(tiny_run, tmp_path / "runs" / "two")
    return tmp_path / "weights", tmp_path / "runs"


def problem_of(library: Library, name: str) -> str | None:
    return {entry.name: entry.problem for entry in library.entries()}[name]


def test_names_are_plain_in_the_first_root_and_prefixed_in_the_others(roots):
    (roots[0] / "notes.txt").write_text("no folder", encoding="utf-8")
    (roots[0] / "empty").mkdir()
    (roots[1] / ".hidden").mkdir()
    entries = Library([*roots, roots[0].parent / "missing"]).entries()
    assert [(e.name, e.problem, e.in_training) for e in entries] == [("one", None, False), ("runs/two", None, False)]
    assert entries[0].info.config.z_dim == 8


def test_the_classifiers_are_no_model(roots):
    (roots[0] / "classifiers").mkdir()
    for name in ("celeba", "mnist"):
        (roots[0] / "classifiers" / f"{name}.safetensors").write_bytes(b"weights")
    assert [entry.name for entry in Library(roots).entries()] == ["one", "runs/two"]


def test_a_root_may_be_a_model_folder_itself(roots):
    assert [entry.name for entry in Library([roots[1], roots[0] / "one"]).entries()] == ["two", "one"]


def test_two_roots_of_one_name_give_different_names(roots, tmp_path):
    shutil.copytree(roots[1], tmp_path / "more" / "runs")
    names = [entry.name for entry in Library([*roots, tmp_path / "more" / "runs"]).entries()]
    assert names == ["one", "runs/two", "runs/two'"]


def test_a_model_that_appears_later_is_found(roots, tiny_run):
    library = Library(roots)
    library.entry("one")
    shutil.copytree(tiny_run, roots[1] / "new")
    assert library.entry("runs/new").folder == roots[1] / "new"
    with pytest.raises(RunError, match="no model 'nobody': there are: one, runs/new, runs/two"):
        library.entry("nobody")


def test_without_any_model_it_says_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match=r"there is none yet; train\.py makes one"):
        Library([tmp_path]).entry("faces64")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda f: (f / "config.json").write_text("{", encoding="utf-8"), "config.json is damaged"),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "config.json is damaged"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors cannot be read"),
        (lambda f: os.truncate(f / "model.safetensors", 900), "model.safetensors cannot be read"),
        (lambda f: shutil.copy(f / "discriminator.safetensors", f / "model.safetensors"), "holds other layers"),
    ],
)
def test_a_broken_folder_is_named_with_its_reason_and_breaks_nothing(roots, damage, message):
    damage(roots[1] / "two")
    library = Library(roots)
    assert message in problem_of(library, "runs/two")
    assert str(roots[1]) not in problem_of(library, "runs/two")  # a visitor need not know where models lie
    with pytest.raises(RunError, match=message):
        library.generator("runs/two")
    assert library.generator("one")


def test_a_folder_that_is_mended_is_used_again(roots, tiny_run):
    path = roots[1] / "two" / "model.safetensors"
    os.truncate(path, 900)
    library = Library(roots)
    assert problem_of(library, "runs/two")
    shutil.copy(tiny_run / "model.safetensors", path)
    assert problem_of(library, "runs/two") is None
    assert library.generator("runs/two")


def test_the_generator_draws_as_the_saved_one_and_is_loaded_once(roots):
    library = Library(roots)
    loaded = library.generator("one")
    assert library.generator("one") is loaded
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in loaded.modules())
    original = load_generator(roots[0] / "one")
    z = latents(original.config, range(4))
    assert torch.allclose(loaded(z), original(z), atol=1e-4)


def test_new_weights_are_taken_up(roots):
    library = Library(roots)
    before = library.generator("one")
    changed = load_generator(roots[0] / "one")
    with torch.no_grad():
        changed.stem.weight.add_(0.5)
    save_weights(roots[0] / "one" / "model.safetensors", changed)
    after = library.generator("one")
    assert after is not before
    z = latents(changed.config, [0])
    assert torch.allclose(after(z), load_generator(roots[0] / "one")(z), atol=1e-4)


def test_snapshots_are_generators_of_their_own(roots):
    library = Library(roots)
    numbers = list(snapshots(roots[0] / "one"))
    z = latents(library.entry("one").info.config, [0])
    assert len(numbers) > 1
    pictures = [library.generator("one", number)(z) for number in numbers]
    assert not torch.allclose(pictures[0], pictures[-1])
    with pytest.raises(RunError, match=r"0999\.safetensors is missing"):
        library.generator("one", 999)


def test_a_critic_may_be_missing(roots):
    library = Library(roots)
    assert library.discriminator("one") is library.discriminator("one")
    (roots[0] / "one" / "discriminator.safetensors").unlink()
    with pytest.raises(RunError, match=r"discriminator\.safetensors is missing"):
        library.discriminator("one")
    assert library.generator("one")


def test_damage_found_while_loading_is_told_without_its_place(roots):
    library = Library(roots)
    os.truncate(roots[0] / "one" / "discriminator.safetensors", 900)
    with pytest.raises(RunError, match=r"one/discriminator\.safetensors cannot be") as caught:
        library.discriminator("one")
    assert str(roots[0]) not in str(caught.value)


def test_the_least_recently_used_weights_go_first(roots, monkeypatch):
    library = Library(roots)
    first, second = library.generator("one"), library.generator("runs/two")
    size = module._bytes(first)
    monkeypatch.setattr(module, "CACHE_BYTES", int(2.5 * size))
    assert library.generator("one") is first
    library.generator("one", 0)  # a third of the same size: runs/two has to go
    assert library.generator("one") is first
    assert library.generator("runs/two") is not second


def test_many_threads_load_a_model_once(roots):
    library, loaded = Library(roots), []
    threads = [threading.Thread(target=lambda: loaded.append(library.generator("one"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 8 and len(set(map(id, loaded))) == 1


def in_training(roots) -> bool:
    return {entry.name: entry.in_training for entry in Library(roots).entries()}["runs/two"]


def test_in_training_is_what_the_folder_says_as_long_as_its_process_lives(roots):
    folder = roots[1] / "two"
    write_state(folder, TRAINING)
    assert in_training(roots)
    write_state(folder, FINISHED)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "history.csv").touch()
    assert not in_training(roots)  # and how old its files are does not matter
    state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    (folder / STATE_FILE).write_text(json.dumps(state | {"state": TRAINING, "start": 0.0}), encoding="utf-8")
    assert not in_training(roots)  # killed, and its number was given again


def test_in_training_means_a_fresh_history_and_no_card_after_it(roots):
    run, now = roots[1] / "two", time.time()
    (run / STATE_FILE).unlink()  # of an older version
    os.utime(run / "history.csv", (now, now))
    os.utime(run / "README.md", (now + 1, now + 1))
    assert not in_training(roots)  # finished: the card is written last
    os.utime(run / "README.md", (now - 500, now - 500))
    assert in_training(roots)  # resumed after it had finished
    (run / "README.md").unlink()
    assert in_training(roots)
    long_ago = now - module.IN_TRAINING_SECONDS - 1
    os.utime(run / "history.csv", (long_ago, long_ago))
    assert not in_training(roots)  # stopped without a card
    os.utime(run / "history.csv", (now, now))
    shutil.rmtree(run / "checkpoint")
    assert not in_training(roots)  # shipped


# ---- hostile folders ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes in folders")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "history.csv", "state.json", "README.md"])
def test_a_pipe_in_a_folder_holds_nobody_up(roots, name):
    path = roots[1] / "two" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    library = Library(roots)
    problem = problem_of(library, "runs/two")
    assert (problem is None) == (name not in ("config.json", "model.safetensors"))
    assert library.generator("one")


@pytest.mark.parametrize(("value", "message"), [(torch.nan, "NaN or infinite"), (1e30, "its numbers overflow")])
def test_weights_of_nan_and_weights_that_overflow_are_no_model(roots, value, message):
    path = roots[1] / "two" / "model.safetensors"
    signs = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(tensor.shape, generator=signs).sign() * value if tensor.is_floating_point() else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(weights, path)
    library = Library(roots)
    assert (problem_of(library, "runs/two") is not None) == (value is torch.nan)
    with pytest.raises(RunError, match=message):
        library.generator("runs/two")


def test_a_config_that_describes_more_than_the_weights_hold_takes_no_memory(roots, monkeypatch):
    path = roots[1] / "two" / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"z_dim": 8', '"z_dim": 20000'), encoding="utf-8")
    init = Generator.__init__

    def checked(self, config):
        init(self, config)
        assert next(self.parameters()).is_meta

    monkeypatch.setattr(Generator, "__init__", checked)
    assert "other layers, or of other sizes" in problem_of(Library(roots), "runs/two")


def test_a_model_that_would_draw_for_minutes_is_too_large_for_the_page(roots):
    large = load_generator(roots[0] / "one").config.replace(image_size=1024, base_channels=64)
    for critic in (False, True):
        with pytest.raises(RunError, match="too large for the page"):
            module._affordable(large, critic=critic)
        for config in PRESETS.values():
            module._affordable(config, critic=critic)


def test_a_folder_s_name_that_is_no_text_is_shown_as_one(roots):
    try:
        shutil.copytree(roots[0] / "one", roots[0] / "odd\udcff")
    except OSError:
        pytest.skip("this file system has no such names")
    (entry,) = (entry for entry in Library(roots).entries() if entry.name.startswith("odd"))
    assert entry.name == "odd\ufffd" and entry.problem is None


def test_a_file_that_cannot_be_used_is_not_read_again_until_it_changes(roots, monkeypatch):
    library, calls = Library(roots), []
    path = roots[0] / "one" / "discriminator.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:900])
    load = module.load_discriminator
    monkeypatch.setattr(module, "load_discriminator", lambda folder: calls.append(folder) or load(folder))
    for _ in range(3):
        with pytest.raises(RunError, match="cannot be read"):
            library.discriminator("one")
    assert len(calls) == 1
    path.write_bytes(whole)
    assert library.discriminator("one")


def test_while_one_looks_the_others_take_what_was_found(roots, monkeypatch):
    library = Library(roots)
    names = [entry.name for entry in library.entries()]
    looking, go_on = threading.Event(), threading.Event()

    def slow(root):
        looking.set()
        go_on.wait(20)
        return []

    monkeypatch.setattr(module, "_model_folders", slow)
    thread = threading.Thread(target=library.entries)
    thread.start()
    assert looking.wait(20)
    assert [entry.name for entry in library.entries()] == names
    go_on.set()
    thread.join()
    assert library.entries() == []


def test_the_critics_marks_are_read_once_and_again_when_a_file_is_another(roots, monkeypatch):
    read = []
    monkeypatch.setattr(module, "known_marks", lambda folder: read.append(folder) or {"generated": [len(read)]})
    library = Library(roots)
    assert library.marks("one") == library.marks("one") == {"generated": [1]}
    (roots[0] / "one" / "metrics.json").write_text("{}", encoding="utf-8")
    assert library.marks("one") == {"generated": [2]} and read == [roots[0] / "one"] * 2
    with pytest.raises(RunError):
        library.marks("nothing")
