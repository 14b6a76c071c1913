"""Directions: what SeFa, GANSpace and the attributes find, the file, the command, and the end of a training.

Long because finding, keeping and commanding are tried on the same few generators.
"""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_runs import CELEBA, DRAWN
from torch import nn

from gan import load_generator
from gan.__main__ import main
from gan.data_record import BUILT_IN, DataRecord, SourceRecord
from gan.latent import attributes, directions
from gan.latent.attributes import FACES, Effect, find_attributes
from gan.latent.directions import (
    ATTRIBUTE,
    PRINCIPAL,
    REACH,
    Direction,
    equal_strength,
    find_directions,
    find_for_run,
    ganspace,
    load_directions,
    save_directions,
    sefa,
)
from gan.models import Generator, initialise
from gan.report.card import write_card
from gan.report.measured import sliders
from gan.run import DIRECTIONS_FILE, RunError, read_info, write_data
from gan.sampling import generate, latents
from gan.training import loop
from gan.ui.library import Library
from gan.weights import save_weights, weights_hash

WEIGHTS = Path(__file__).parents[2] / "weights"
SHIPPED = sorted(path.parent for path in WEIGHTS.glob(f"*/{DIRECTIONS_FILE}"))
EFFECT = Effect(0.1, 0.5, 0.9, "Male", -0.25, 40)


@pytest.fixture(scope="module")
def generator(tiny_config) -> Generator:
    """Random weights without stem norm; z's dimension 5 moves the first layer most, and then dimension 2."""
    torch.manual_seed(0)
    made = Generator(tiny_config.replace(g_stem_norm=False, z_dim=8))
    initialise(made)
    with torch.no_grad():
        made.stem.weight.normal_(0, 0.05)
        made.stem.weight[:, 5] *= 6
        made.stem.weight[:, 2] *= 3
        for layer in made.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                layer.weight.normal_(0, 0.3)
    return made.eval().requires_grad_(False)


class Eye(nn.Module):
    """Sees how light a picture's upper half is ("Smiling"), all of it ("Male"), and how dark its left ("Young")."""

    labels = tuple(label for _, label, _ in FACES)
    exclusive, channels, hash = False, 3, "eye"
    to_probabilities = staticmethod(torch.sigmoid)

    def forward(self, images):
        upper, whole = images[:, :, :8].mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3))
        logits = torch.full((len(images), len(self.labels)), -20.0)
        logits[:, self.labels.index("Smiling")] = 300 * upper
        logits[:, self.labels.index("Male")] = 600 * whole
        logits[:, self.labels.index("Young")] = -300 * images[..., :8].mean(dim=(1, 2, 3))
        return logits


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(directions, "_SEEN", 400)
    monkeypatch.setattr(attributes, "FITTED", 400)
    monkeypatch.setattr(attributes, "HELD_OUT", 400)


def cosine(vector, dimension: int) -> float:
    return abs(float(vector[dimension] / vector.norm()))


@pytest.mark.parametrize("find", [sefa, ganspace])
def test_principal_directions_are_those_that_move_the_most_strongest_first(generator, find):
    found = find(generator, n=3)
    assert [d.name.split()[1] for d in found] == ["1", "2", "3"]
    assert cosine(found[0].vector, 5) > 0.95 and cosine(found[1].vector, 2) > 0.8
    assert len(find(generator)) == 8  # no more than there are dimensions


def test_a_generator_that_always_draws_the_same_has_sliders_of_finite_length(tiny_config):
    generator = Generator(tiny_config).eval().requires_grad_(False)
    for parameter in generator.stem.parameters():
        parameter.zero_()
    found = directions.find_directions(generator)
    assert [d for d in found if d.kind == "sefa"] and not [d for d in found if d.kind == "ganspace"]
    assert all(d.vector.isfinite().all() and d.vector.norm() > 0 for d in found)


def test_sefa_is_the_closed_form_with_batch_norm_folded_in(tiny_run):
    generator = load_generator(tiny_run)
    norm = generator.layers[1]
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).repeat_interleave(16)
    right = torch.linalg.svd(scale[:, None] * generator.stem.weight).Vh
    found = torch.stack([direction.vector / direction.vector.norm() for direction in sefa(generator, n=3)])
    assert (found @ right[:3].T).abs().max(dim=1).values.min() > 0.999  # the same three, in the order of their effect


@torch.no_grad()
@pytest.mark.parametrize(
    ("residual", "modulated", "layers"),
    [
        (True, False, 2),  # after Unflatten its first block
        (True, True, 2),
        (False, True, 6),  # Unflatten, norm, activation, convolution, norm, activation
    ],
)
def test_the_early_layer_is_the_first_block_or_convolution(tiny_config, residual, modulated, layers):
    torch.manual_seed(0)
    generator = Generator(
        tiny_config.replace(
            g_residual=residual, g_modulated=modulated, g_multipliers=(3, 2, 1), g_strides=(2, 1, 2), kernel_size=5
        )
    )
    for name, parameter in generator.named_parameters():
        parameter.normal_(0, 0.03 if "style" in name else 0.3)  # nearly linear in z, as the regression is
    generator.eval()
    z = latents(generator.config, range(400))
    activations = generator.layers[:layers](generator.stem(z), z).flatten(1)  # (400, 8 * 8 * 8)
    scores = torch.linalg.svd(activations - activations.mean(dim=0), full_matrices=False)[0]
    right = torch.linalg.lstsq(z - z.mean(dim=0), scores[:, :2]).solution.T
    for direction, vector in zip(ganspace(generator, n=2), right, strict=True):
        assert abs(torch.cosine_similarity(direction.vector, vector, dim=0)) > 0.99


@pytest.mark.parametrize("find", [sefa, ganspace])
def test_principal_sliders_are_equally_strong_and_lighten(generator, find):
    z = latents(generator.config, range(24))
    here = generate(generator, z).astype(float)
    pair = np.mean([np.abs(here - np.roll(here, k, axis=0)).mean() for k in range(1, 12)])
    usual = z.norm(dim=1).mean()
    found = find(generator, n=3)
    lengths = [float(direction.vector.norm()) for direction in found]
    assert lengths == sorted(lengths)  # the strongest needs least
    for direction in found:
        high, low = (generate(generator, z + end * direction.vector).astype(float) for end in (REACH, -REACH))
        at_most = abs(float(REACH * direction.vector.norm() - usual)) < 1e-3
        assert np.abs(high - low).mean() == pytest.approx(pair, rel=0.15) or at_most
        lighter, darker = (generate(generator, z + s * direction.vector).mean() for s in (1, -1))
        assert lighter >= darker


def test_strength_does_not_depend_on_the_vectors_length(generator):
    vector = torch.arange(8.0)
    assert torch.allclose(equal_strength(generator, vector), equal_strength(generator, 50 * vector), atol=1e-5)


def test_no_slider_moves_z_by_more_than_its_own_length(generator):
    idle = copy.deepcopy(generator)
    idle.stem.weight[:, 7] = 0
    step = equal_strength(idle, torch.eye(8)[7])  # changes nothing, however far
    usual = latents(generator.config, range(24)).norm(dim=1).mean()
    assert float(step.norm() * REACH) == pytest.approx(float(usual))


def test_finding_is_repeatable_and_leaves_the_random_state(generator):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = (find_directions(generator, Eye(), Eye()) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert [d.name for d in first] == [d.name for d in second]
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.vector, b.vector) and a.effect == b.effect


def test_attributes_do_what_they_are_named_for_and_what_cannot_be_found_is_left_out(generator):
    named = [d for d in find_directions(generator, Eye(), Eye()) if d.kind == ATTRIBUTE]
    assert [d.name for d in named] == ["Smile", "Woman to man", "Age"]
    z = latents(generator.config, range(5000, 5400))
    for direction in named:
        assert float(direction.vector.norm() * REACH / z.norm(dim=1).mean()) == pytest.approx(0.3, rel=0.05)
        eye = Eye()
        own = eye.labels.index({"Smile": "Smiling", "Woman to man": "Male", "Age": "Young"}[direction.name])
        before = eye(generator(z)).sigmoid()[:, own]
        middle = z[(before - 0.5).abs() < 0.25]
        high, low = (eye(generator(middle + end * direction.vector)).sigmoid()[:, own].mean() for end in (3, -3))
        if direction.name == "Age":  # more age is less "Young"
            high, low = 1 - high, 1 - low
        assert low < 0.25 and high > 0.75
        assert direction.effect.low == pytest.approx(float(low), abs=0.12)
        assert direction.effect.high == pytest.approx(float(high), abs=0.12)
        assert 0.25 < direction.effect.middle < 0.75 and direction.effect.passes
    assert {d.effect.side for d in named} <= {"Smiling", "Male", "Young"}  # the others never change


def test_a_slider_that_only_its_finder_believes_in_is_left_out(generator, monkeypatch):
    class Blind(Eye):  # sees no smile
        def forward(self, images):
            logits = super().forward(images)
            logits[:, self.labels.index("Smiling")] = 0
            return logits

    monkeypatch.setattr(attributes, "FACES", FACES[:3])
    names = [[a.name for a in find_attributes(generator, Eye(), judge)] for judge in (Eye(), Blind())]
    assert names == [["Smile", "Woman to man"], ["Woman to man"]]


@pytest.mark.parametrize("times, looked_at, found", [(1, [800], True), (8, [800, 3200], True), (60, [800], False)])
def test_a_label_that_few_pictures_are_near_is_looked_for_among_four_times_as_many(
    generator, monkeypatch, times, looked_at, found
):
    """Eyes that are 8 and 60 times as sure see about an eighth and a sixtieth of the faces in the middle."""
    looked = []

    class Sure(Eye):
        def forward(self, images):
            return super().forward(images) * times

    def draw(generator, eye, fitted, held_out):
        looked.append(fitted + held_out)
        return original(generator, eye, fitted, held_out)

    original = attributes._draw
    monkeypatch.setattr(attributes, "_draw", draw)
    monkeypatch.setattr(attributes, "FACES", FACES[:1])
    assert [a.name for a in find_attributes(generator, Sure(), Sure())] == ["Smile"] * found
    assert looked == looked_at


def test_untangling_leaves_the_other_attribute_more_alone(generator, monkeypatch):
    z = latents(generator.config, range(400))
    slopes = attributes._slopes(z, Eye()(generator(z)))
    smile, male = Eye.labels.index("Smiling"), Eye.labels.index("Male")

    def side_per_own(untangled: float) -> float:
        monkeypatch.setattr(attributes, "_UNTANGLED", untangled)
        step = attributes._linear(slopes, smile)
        return abs(float(slopes[:, male] @ step / (slopes[:, smile] @ step)))

    assert side_per_own(1e6) < 0.01 < side_per_own(0.3) < side_per_own(0)
    step = attributes._linear(slopes, smile)
    assert torch.allclose(step, slopes[:, smile])  # nothing untangled: the boundary's own normal


def test_improving_makes_the_ends_more_certain(generator, monkeypatch):
    def gap() -> float:
        smile = find_attributes(generator, Eye(), Eye())[0].effect
        return smile.high - smile.low - abs(smile.side_change)

    improved = gap()
    monkeypatch.setattr(attributes, "_STEPS", 0)
    assert improved > gap()


def test_improving_leaves_other_attributes_alone_as_far_as_it_is_asked_to(generator, monkeypatch):
    eye, z = Eye(), latents(generator.config, range(400))
    logits = eye(generator(z))
    slopes = attributes._slopes(z, logits)
    smile, male = eye.labels.index("Smiling"), eye.labels.index("Male")
    begin = 0.3 * z.norm(dim=1).mean() * slopes[:, smile] / slopes[:, smile].norm()

    def side_per_own(weight: float) -> float:
        monkeypatch.setattr(attributes, "_SIDE", weight)
        step = attributes._improve(generator, eye, begin, smile, z, logits, torch.arange(400))
        return abs(float(slopes[:, male] @ step / (slopes[:, smile] @ step)))

    assert side_per_own(10) < side_per_own(0) - 0.05


@pytest.mark.parametrize(
    "effect, passes",
    [
        (EFFECT, True),
        (Effect(0.25, 0.5, 0.9, "Male", 0.1, 40), False),
        (Effect(0.1, 0.5, 0.75, "Male", 0.1, 40), False),
        (Effect(0.1, 0.5, 0.9, "Male", -0.85, 40), False),
    ],
)
def test_a_slider_passes_only_if_it_crosses_the_middle_and_is_its_own_strongest_effect(effect, passes):
    assert effect.passes is passes


def test_directions_of_other_weights_are_refused(run_copy):
    save_directions(run_copy, [Direction("SeFa 1", "sefa", torch.randn(8))], None)
    library = Library([run_copy])
    assert list(library.directions(run_copy.name)) == ["SeFa 1"]
    save_weights(run_copy / "model.safetensors", Generator(read_info(run_copy).config))
    with pytest.raises(RunError, match="belongs to other weights"):
        load_directions(run_copy)
    assert library.directions(run_copy.name) == {}


def test_the_file_keeps_vectors_names_and_measurements(run_copy):
    made = [Direction("Smile", "attribute", torch.randn(8), EFFECT), Direction("SeFa 1", "sefa", torch.randn(8))]
    save_directions(run_copy, made, Eye())
    found = load_directions(run_copy)
    assert list(found) == ["Smile", "SeFa 1"]
    for direction in made:
        same = found[direction.name]
        assert (same.kind, same.effect) == (direction.kind, direction.effect)
        assert torch.equal(same.vector, direction.vector.half().float())
    with safe_open(run_copy / DIRECTIONS_FILE, "pt") as file:
        assert json.loads(file.metadata()["directions"])["generator"] == weights_hash(run_copy)
    table = sliders(load_directions(run_copy).values())
    assert table.splitlines()[2:] == ["| Smile | 0.10 | 0.50 | 0.90 | Male -0.25 |"]
    write_card(run_copy)
    assert table in (run_copy / "figures.md").read_text(encoding="utf-8")
    assert "on other pictures: Smile." in (run_copy / "README.md").read_text(encoding="utf-8")
    (run_copy / DIRECTIONS_FILE).unlink()
    write_card(run_copy)
    assert not (run_copy / "figures.md").exists()
    assert "Smile" not in (run_copy / "README.md").read_text(encoding="utf-8")


def damage(folder: Path, vectors: torch.Tensor | None = None, **changes) -> None:
    with safe_open(folder / DIRECTIONS_FILE, "pt") as file:
        facts = json.loads(file.metadata()["directions"]) | changes
    tensors = load_file(folder / DIRECTIONS_FILE) if vectors is None else {"vectors": vectors}
    save_file(tensors, folder / DIRECTIONS_FILE, {"directions": json.dumps(facts)})


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda folder: (folder / DIRECTIONS_FILE).unlink(), r"missing: `python -m gan directions .*` finds"),
        (lambda folder: (folder / DIRECTIONS_FILE).write_bytes(b"x" * 40), "cannot be loaded"),
        (lambda folder: damage(folder, vectors=torch.zeros(2, 9)), "other layers, or of other sizes"),
        (lambda folder: damage(folder, vectors=torch.full((2, 8), torch.nan)), "NaN or infinite"),
        (lambda folder: damage(folder, vectors=torch.zeros(3, 8)), "cannot be loaded"),
        (lambda folder: damage(folder, directions=[{"name": "a"}] * 2), "cannot be loaded"),
        (lambda folder: damage(folder, format_version=2), "format 2, this version reads up to 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(run_copy, harm, message):
    save_directions(run_copy, [Direction(name, "sefa", torch.ones(8)) for name in "ab"], None)
    harm(run_copy)
    with pytest.raises(RunError, match=message):
        load_directions(run_copy)


def test_the_command_writes_principal_directions_for_data_that_no_classifier_knows(run_copy, capsys):
    assert main(["directions", str(run_copy)]) == 0
    found = load_directions(run_copy)
    assert {d.kind for d in found.values()} == {"sefa", "ganspace"} and len(found) == 16
    assert f"{run_copy / DIRECTIONS_FILE}: 0 attribute, 8 sefa, 8 ganspace" in capsys.readouterr().out
    written = (run_copy / DIRECTIONS_FILE).read_bytes()
    assert main(["directions", str(run_copy)]) == 0
    assert (run_copy / DIRECTIONS_FILE).read_bytes() == written  # same folder, same file


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["directions", str(tmp_path)]) == 2
    assert "no model folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([BUILT_IN["celeba"]], "celeba"),
        ([SourceRecord("a.zip", "a.zip", "faces")], "celeba"),
        ([SourceRecord("celeba64-a.zip", "celeba64-a.zip")], None),  # a name says nothing
        ([BUILT_IN["celeba"], SourceRecord("a.zip", "a.zip")], None),
    ],
)
def test_attributes_are_looked_for_where_a_classifier_knows_the_data(run_copy, monkeypatch, parts, wanted):
    write_data(run_copy, DataRecord(tuple(parts), 44))
    asked = []
    for load in ("load_classifier", "load_judge"):
        monkeypatch.setattr(directions, load, lambda task: asked.append(task) or Eye())
    monkeypatch.setattr(directions, "find_attributes", lambda generator, eye, judge: [])
    find_for_run(run_copy)
    assert asked == [wanted, wanted] * bool(wanted)


def test_a_training_ends_with_directions_and_starting_over_removes_them(tmp_path, tiny_config, pictures, monkeypatch):
    def go(**options):
        tiny_runs.go(tiny_config.replace(epochs=1), pictures, tmp_path / "run", **options)

    called = []
    monkeypatch.setattr(directions, "find_for_run", lambda folder: called.append(folder))
    go(data=DRAWN)
    assert not called
    go(data=CELEBA, overwrite=True)
    assert called == [tmp_path / "run"]
    (tmp_path / "run" / DIRECTIONS_FILE).touch()
    monkeypatch.setattr(loop.run, "write_config", lambda *_: pytest.fail("removed by now"))
    with pytest.raises(pytest.fail.Exception):
        go(data=DRAWN, overwrite=True)
    assert not (tmp_path / "run" / DIRECTIONS_FILE).exists()


def test_directions_that_fail_cost_no_training(tmp_path, tiny_config, pictures, monkeypatch, caplog):
    def fail(folder):
        raise ArithmeticError("no directions today")

    monkeypatch.setattr(directions, "find_for_run", fail)
    with caplog.at_level(logging.WARNING):
        outcome = tiny_runs.go(tiny_config.replace(epochs=1), pictures, tmp_path / "run", data=CELEBA)
    assert outcome.reason == "finished" and (tmp_path / "run" / "README.md").is_file()
    assert "ArithmeticError: no directions today" in caplog.text


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_directions_belong_to_their_weights_and_pass(folder):
    found = load_directions(folder)
    with safe_open(folder / DIRECTIONS_FILE, "pt") as file:
        assert json.loads(file.metadata()["directions"])["generator"] == weights_hash(folder), (
            f"python -m gan directions {folder}"
        )
    named = [d for d in found.values() if d.kind == ATTRIBUTE]
    assert all(d.effect.passes and d.effect.faces >= 16 for d in named)
    assert len(named) >= 8
    assert len(found) - len(named) == 2 * min(PRINCIPAL, read_info(folder).config.z_dim)
    assert (folder / DIRECTIONS_FILE).stat().st_size < 50_000
