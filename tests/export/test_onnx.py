"""A model's files for the browser: what a session draws is what PyTorch draws, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from exports import CLASSIFIER, SEEDS, keep_operators
from test_truncation import make
from tiny_classifiers import install

from gan import sampling
from gan.__main__ import main
from gan.export import conversion
from gan.export import onnx as exporting
from gan.export.conversion import ExportError
from gan.export.networks import Critic, Picture, Search
from gan.export.onnx import export
from gan.history import read_history, snapshots
from gan.latent.directions import load_directions
from gan.latent.encoder import load_encoder
from gan.models import Discriminator
from gan.run import CRITIC_FILE, DIRECTIONS_FILE, ENCODER_FILE, MODEL_FILE, RunError, snapshot_file
from gan.sampling import generate, latents
from gan.weights import load_discriminator, load_generator, weights_hash

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(300)  # two models are exported first


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """A tiny classifier, and fewer seeds to compare."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch, tmp_path_factory.mktemp("classifiers"), celeba=CLASSIFIER)
        keep_operators(patch)
        for name, number in SEEDS.items():
            patch.setattr(exporting, name, number)
        yield


@pytest.fixture(scope="module")
def model(exports) -> Path:
    """With everything that a model may have."""
    return exports.tiny


@pytest.fixture(scope="module")
def made(exports) -> Path:
    return exports.files / "tiny"


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def run(folder: Path, network: str, **inputs) -> dict[str, np.ndarray]:
    file = facts_of(folder)["networks"][network]["file"]
    session = onnxruntime.InferenceSession((folder / file).read_bytes(), providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in inputs.items()}
    return dict(zip(outputs, session.run(None, arrays), strict=True))


def pixels(pictures: np.ndarray) -> np.ndarray:
    return ((pictures + 1) * 127.5).round().clip(0, 255).transpose(0, 2, 3, 1)


# ---- what is written ------------------------------------------------------------------------------------------------


def test_the_facts_name_every_file_and_say_what_is_in_it(made):
    facts = facts_of(made)
    assert set(facts["networks"]) == {"generator", "critic", "encoder", "classifier", "search"}
    files = [*facts["networks"].values(), *facts["snapshots"]["files"]]
    assert {path.name for path in made.iterdir()} == {"model.json", *(file["file"] for file in files)}
    for network in files:
        content = (made / network["file"]).read_bytes()
        digest = hashlib.sha256(content)
        assert len(content) == network["bytes"] and digest.hexdigest()[:12] in network["file"]
        assert network["integrity"] == "sha256-" + base64.b64encode(digest.digest()).decode()
        assert all(0 <= difference <= 1 for difference in network["differences"].values())


def test_nothing_tells_where_it_was_written(made, model):
    for path in made.iterdir():
        content = path.read_bytes()
        for told in (str(ROOT), str(model), sys.prefix, "site-packages", ".py"):
            assert told.encode() not in content, (path.name, told)


def test_the_facts_are_the_model_s(made, model):
    facts, config = facts_of(made), load_generator(model).config
    assert facts["name"] == "tiny" and facts["weights"] == weights_hash(model)
    for name in ("image_size", "channels", "z_dim", "z_distribution", "preset"):
        assert facts[name] == getattr(config, name)
    assert facts["data"]["kind"] == "unknown" and facts["data"]["terms"] == [{"name": "drawn faces", "terms": "drawn"}]
    assert facts["networks"]["classifier"]["labels"] == list(CLASSIFIER.labels)
    assert facts["truncation"]["most"] == 1.5
    assert facts["example"] == {"terms": [[0, 1, 2], [3, 4, 5], [6, 7, 8]], "names": []}  # of unknown pictures


def test_directions_are_numbers_of_float32(made, model):
    told, directions = facts_of(made)["directions"], load_directions(model)
    vectors = np.frombuffer(base64.b64decode(told["vectors"]), dtype="<f4").reshape(-1, 8)
    assert [entry["name"] for entry in told["names"]] == list(directions) == ["Smiling", "SeFa 1"]
    assert told["names"][0]["effect"]["high"] == 0.9 and told["reach"] == 3
    for vector, direction in zip(vectors, directions.values(), strict=True):
        assert np.array_equal(vector, direction.vector.numpy())


# ---- what is drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("psi", [[1.0], [0, 0.3, 0.75, 1, 1.1, 1.5, 0.5]])
def test_pictures_are_python_s_at_any_truncation_together(made, model, psi):
    generator = load_generator(model)
    z = latents(generator.config, range(900, 900 + len(psi)))
    drawn = pixels(run(made, "generator", z=z, psi=psi)["picture"])
    assert np.abs(drawn - generate(generator, z, truncation=psi).astype(float)).max() <= 1
    assert drawn.std() > 1


def test_a_snapshot_is_the_generator_s_file_with_other_numbers(made, model):
    facts, rows = facts_of(made), read_history(model)
    content = (made / facts["networks"]["generator"]["file"]).read_bytes()
    told, where = facts["snapshots"]["files"], facts["snapshots"]["places"]
    assert [(file["number"], file["images_seen"]) for file in told] == [
        (row["snapshot"], row["images_seen"]) for row in rows if row["snapshot"] is not None
    ]
    z, psi = latents(load_generator(model).config, range(900, 904)), torch.tensor([0, 0.4, 1, 1.5])
    for file in (told[0], told[-2]):
        own, changed = (made / file["file"]).read_bytes(), bytearray(content)
        for at, size in where:
            changed[at : at + size], own = own[:size], own[size:]
        assert not own
        drawn = pixels(conversion.session_of(bytes(changed))(z, psi)[0].numpy())
        wanted = generate(load_generator(model, snapshot=file["number"]), z, truncation=psi)
        assert np.abs(drawn - wanted.astype(float)).max() <= 1
        assert np.abs(drawn - generate(load_generator(model), z, truncation=psi).astype(float)).max() > 1


def test_the_critic_s_score_and_the_encoder_s_guess(made, model):
    generator = load_generator(model)
    pictures = generator(latents(generator.config, range(900, 903)))
    shown = torch.from_numpy(generate(generator, latents(generator.config, range(900, 903)))).permute(0, 3, 1, 2)
    scores = load_discriminator(model)(shown / 127.5 - 1).sigmoid()
    np.testing.assert_allclose(run(made, "critic", picture=pictures)["score"], scores, atol=0.005)
    guess = load_encoder(model)(pictures).clamp(-4, 4)
    np.testing.assert_allclose(run(made, "encoder", picture=pictures)["z"], guess, atol=0.02)


@pytest.mark.parametrize("n", [1, 4])
def test_a_step_of_the_search_is_autograd_s(made, model, n):
    generator = load_generator(model)
    z, pictures = (latents(generator.config, range(900, 900 + n)), generator(latents(generator.config, range(n))))
    seen = run(made, "classifier", picture=pictures)
    np.testing.assert_allclose(seen["features"], CLASSIFIER.features(pictures), rtol=0.01, atol=0.01)
    given = z, pictures, torch.from_numpy(seen["features"])
    found = run(made, "search", **dict(zip(("z", "target", "target_features"), given, strict=True)))
    for name, wanted in zip(Search.OUTPUTS, Search(generator, CLASSIFIER)(*given), strict=True):
        assert np.abs(found[name] - wanted.numpy()).max() <= 0.05 * wanted.abs().max(), name


def test_faces64_draws_the_same(monkeypatch):
    monkeypatch.setattr(sampling, "_AVERAGED", 4)  # quicker
    generator = load_generator(ROOT / "weights" / "faces64")
    z = latents(generator.config, range(2))
    part = conversion.Part(Picture(generator), ("z", "psi"), ("picture",), (z, torch.ones(2)), lambda session: {})
    session = conversion.session_of(conversion.halved(conversion.converted(part)).SerializeToString())
    z, psi = latents(generator.config, range(900, 905)), torch.tensor([0, 0.4, 1, 1, 1.5])
    drawn = pixels(session(z, psi)[0].numpy())
    assert np.abs(drawn - generate(generator, z, truncation=psi).astype(float)).max() <= 1


@pytest.mark.parametrize("stored, weights", [(0, "float16 in part"), (1, "float32")])
def test_what_float16_spoils_stays_whole_and_the_rest_is_halved_where_that_is_worth_it(monkeypatch, stored, weights):
    """Weights that folding has changed, beside others as a folder stores them in float16: most of all, or few."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(32, 256, bias=False), torch.nn.Linear(256, 8, bias=False))
    network[stored].weight.data = network[stored].weight.data.half().float()
    z = torch.randn(5, 32)

    def apart(session):
        return {"grey_levels": conversion.greatest(session(z)[0] - network(z).detach()) * 1e6}

    part = conversion.Part(network, ("z",), ("y",), (torch.zeros(2, 32),), apart)
    monkeypatch.setitem(conversion.MOST, "grey_levels", 10.0)
    content, found_weights, found = conversion.written("it", part)
    assert found_weights == weights and found["grey_levels"] < 10
    whole = conversion.converted(part)
    assert apart(conversion.session_of(conversion.halved(whole).SerializeToString()))["grey_levels"] > 10
    saved = len(whole.SerializeToString()) - len(content)
    if weights == "float32":
        assert saved == 0
    else:
        assert 2 * 32 * 256 - 500 < saved < 2 * 32 * 256


# ---- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.fixture
def generator_only(model, tmp_path, monkeypatch) -> Path:
    """A model of no more than a generator; the classifier and the search are replaced: quick to export."""
    folder = Path(shutil.copytree(model, tmp_path / "models" / "tiny"))
    for file in (CRITIC_FILE, ENCODER_FILE, DIRECTIONS_FILE):
        (folder / file).unlink()

    def another(*arguments):
        return conversion.Part(torch.nn.ReLU(), ("z",), ("y",), (torch.zeros(2, 8),), lambda session: {})

    monkeypatch.setattr(exporting, "_classifier", another)
    monkeypatch.setattr(exporting, "_search", another)
    return folder


def test_what_a_model_lacks_is_left_out_and_what_an_earlier_export_left_goes(generator_only, tmp_path, monkeypatch):
    out = tmp_path / "out" / "tiny"
    out.mkdir(parents=True)
    old = [out / f"{name}-0123456789ab.{ending}" for name, ending in (("critic", "onnx"), ("snapshot-0001", "bin"))]
    others = [out / "notes.txt", out / "mine.onnx"]
    for path in old + others:
        path.write_text("before", encoding="utf-8")
    monkeypatch.setitem(conversion.MOST, "grey_levels", 0.004)  # float16 is farther away
    damaged = generator_only / snapshot_file(1)
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert main(["export", str(generator_only), "--out", str(tmp_path / "out")]) == 0
    facts = facts_of(out)
    assert not {"critic", "encoder"} & facts["networks"].keys() and facts["directions"]["names"] == []
    assert facts["networks"]["generator"]["weights"] == "float32"
    numbers = [file["number"] for file in facts["snapshots"]["files"]]
    assert numbers and numbers == [number for number in snapshots(generator_only) if number != 1]
    assert not any(path.exists() for path in old) and all(path.exists() for path in others)


def test_what_does_not_draw_the_same_is_not_written(generator_only, tmp_path, monkeypatch, capsys):
    forward = Picture.forward
    monkeypatch.setattr(Picture, "forward", lambda self, z, psi: forward(self, z, psi * 0.9))
    assert main(["export", str(generator_only), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "tiny's generator would not do in the browser what it does here" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_damaged_folder_leaves_an_earlier_export_as_it_is(model, made, tmp_path):
    folder = Path(shutil.copytree(model, tmp_path / "tiny"))
    out = Path(shutil.copytree(made, tmp_path / "out" / "tiny"))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for file in (MODEL_FILE, CRITIC_FILE, ENCODER_FILE, DIRECTIONS_FILE):
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=file):
            export(folder, tmp_path / "out")
        (folder / file).write_bytes(content)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_library_that_is_not_there_is_said(model, tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ExportError, match=f"^{library} is not installed, .*pip install onnx onnxscript onnxruntime"):
        export(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name_are_refused(model, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["export", str(model), str(tmp_path / "tiny"), "--out", str(tmp_path / "out")])
    assert "two of the models are called tiny" in capsys.readouterr().err


# ---- a grown model ---------------------------------------------------------------------------------------------------


def test_a_model_grown_from_another_is_written_too(tiny_config):
    config = tiny_config.replace(g_residual=True, g_modulated=True, d_norm="spectral").grown()
    torch.manual_seed(0)
    generator, discriminator = make(config), Discriminator(config).eval()
    z = latents(config, range(6))
    shown = generator(z)
    judged = exporting._critic(Critic(discriminator), shown)
    for part in (exporting._generator(generator, z, shown), judged):
        content, _, apart = conversion.written("it", part)  # compared, or refused
        assert max(apart.values()) <= 1
    assert conversion.session_of(content)(shown)[0].shape == (6,) and shown.shape[-1] == 2 * tiny_config.image_size
