"""Which sliders the Explore tab shows, and what visitors' own directions do to a face."""

from __future__ import annotations

import pytest
import torch
from serving import make_models

from gan.latent.directions import Direction, load_directions, save_directions
from gan.sampling import latents
from gan.ui import drawing
from gan.ui.drawing import draw, latent
from gan.ui.explore_server import ExploreServer
from gan.ui.explore_sliders import ATTRIBUTES, OWN, PRINCIPAL, RAW, Slider, bases, choose
from gan.ui.state import Face, OwnDirection
from gan.ui.values import FaceError, encode_latent

MINE = OwnDirection("Mine", "m", (1,), (2,))


def directions(z_dim: int, *names: str) -> list[Direction]:
    kinds = {"S": "sefa", "G": "ganspace"}
    return [
        Direction(name, kinds.get(name[0], "attribute"), torch.full((z_dim,), float(i + 1)))
        for i, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_config, pictures, tiny_run):
    made = make_models(tmp_path_factory.mktemp("models"), tiny_config, pictures, tiny_run)
    found = directions(20, "Beard", "Hat", "SeFa 1", "SeFa 2", "GANSpace 1")
    save_directions(made.entry("small").folder, found, None)
    save_directions(made.entry("runs/tiny").folder, directions(8, "Hat", "SeFa 1"), None)
    return made


@pytest.fixture(scope="module")
def tab(library) -> ExploreServer:
    return ExploreServer(library)


def test_bases_are_those_that_the_model_has():
    found = bases(Face("m", own=(MINE, OwnDirection("Other", "n", (1,), (2,)))), 20, directions(20, "A", "Sx", "Gx"))
    raw = [Slider(f"z:{i}", f"z {i}") for i in range(20)]
    assert found == {
        ATTRIBUTES: {"1–1": [Slider("move:A", "A")]},
        PRINCIPAL: {"SeFa": [Slider("move:Sx", "Sx")], "GANSpace": [Slider("move:Gx", "Gx")]},
        RAW: {"0–15": raw[:16], "16–19": raw[16:]},
        OWN: {"": [Slider("move:~Mine", "Mine (yours)")]},
    }
    assert list(bases(Face("m"), 5, [])) == [RAW, OWN]
    assert len(bases(Face("m"), 10**6, [])[RAW]) == 64  # as many as a state can hold
    many = bases(Face("m"), 5, directions(5, *[f"A{i}" for i in range(20)]))[ATTRIBUTES]
    assert {page: len(labels) for page, labels in many.items()} == {"1–16": 16, "17–20": 4}


def test_the_basis_shown_is_the_one_asked_for_or_that_of_a_moved_slider_or_the_first():
    found = bases(Face("m"), 20, directions(20, "A", "Sx", "Gx"))
    assert choose(found, Face("m")) == (ATTRIBUTES, "1–1")
    assert choose(found, Face("m"), PRINCIPAL, "GANSpace") == (PRINCIPAL, "GANSpace")
    assert choose(found, Face("m"), "gone", "nowhere") == (ATTRIBUTES, "1–1")
    assert choose(found, Face("m", offsets={17: 1})) == (RAW, "16–19")
    assert choose(found, Face("m", directions={"Gx": 1})) == (PRINCIPAL, "GANSpace")
    assert choose(found, Face("m", directions={"Gx": 1}), RAW) == (RAW, "0–15")


def test_a_sliders_value_is_found_by_its_key_whatever_it_is_called():
    face = Face("m", offsets={3: 1}, directions={"Hat": 2, "~Hat": -1, "z 3": 0.5, "Hat (yours)": 0.25})
    keys = ("z:3", "z:4", "move:Hat", "move:~Hat", "move:z 3", "move:Hat (yours)", "move:Smile")
    assert [Slider(key, "").value(face) for key in keys] == [1, 0, 2, -1, 0.5, 0.25, 0]


def shown(tab: ExploreServer, face: Face) -> dict:
    return tab.restore({"state": face.to_json()})


def labels(answer: dict) -> dict[str, float]:
    return {slider["label"]: slider["value"] for slider in answer["sliders"]}


def test_the_page_opens_on_attributes_and_turns_to_others(tab):
    answer = shown(tab, Face("small", directions={"Hat": 1.5}))
    assert answer["bases"] == [ATTRIBUTES, PRINCIPAL, RAW, OWN]
    assert answer["basis"] == ATTRIBUTES and len(answer["pages"]) == 1
    assert labels(answer) == {"Beard": 0, "Hat": 1.5}
    face = {"face": answer["face"]}
    turned = tab.sliders(face | {"basis": PRINCIPAL})
    assert turned["pages"] == ["SeFa", "GANSpace"]
    assert labels(turned) == {"SeFa 1": 0, "SeFa 2": 0}
    assert labels(tab.sliders(face | {"basis": PRINCIPAL, "page": "GANSpace"})) == {"GANSpace 1": 0}
    assert list(labels(tab.sliders(face | {"basis": RAW, "page": "16–19"}))) == ["z 16", "z 17", "z 18", "z 19"]
    assert tab.sliders({"face": "{"}) == tab.sliders({"face": Face("nobody").to_json()}) == {}


def test_a_direction_moves_z_by_its_vector(library):
    found = load_directions(library.entry("small").folder)
    face = Face("small", 3, 0.5, {2: 1.0}, directions={"Hat": 1.5, "SeFa 1": -1})
    expected = latents(library.entry("small").info.config, [3])
    expected += 1.5 * found["Hat"].vector - found["SeFa 1"].vector
    expected[0, 2] += 1
    assert torch.allclose(latent(library, face), expected, atol=1e-5)
    with pytest.raises(FaceError, match="small has no direction 'Smile': it has Beard, Hat"):
        draw(library, Face("small", directions={"Smile": 1}))


def test_another_model_keeps_directions_of_the_same_name(tab):
    before = Face("small", 5, directions={"Beard": 1, "Hat": 2, "SeFa 1": -1})
    answer = tab.choose({"face": before.to_json(), "basis": ATTRIBUTES, "model": "runs/tiny"})
    assert Face.from_json(answer["face"]) == Face("runs/tiny", 5, directions={"Hat": 2, "SeFa 1": -1})
    assert answer["basis"] == ATTRIBUTES and labels(answer) == {"Hat": 2}


def test_a_latent_of_its_own_names_the_download(tab):
    own = Face("small", 5, 0.5, {1: 1}, encode_latent(torch.ones(20)), {"Hat": 1})
    assert tab.download({"query": own.to_query()})["name"] == "small-latent.png"


def make(tab: ExploreServer, face: Face, **asked) -> dict:
    asked = dict(name="Mine", has=[3, 1], lacks=[2]) | asked
    return tab.make({"face": face.to_json(), "basis": ATTRIBUTES} | asked)


def test_marked_faces_become_a_slider_that_a_link_restores(tab, library):
    answer = make(tab, Face("small", 7))
    face = Face.from_json(answer["face"])
    assert face == Face("small", 7, own=(OwnDirection("Mine", "small", (1, 3), (2,)),))
    assert answer["basis"] == OWN and labels(answer) == {"Mine (yours)": 0}
    assert answer["own"] == {
        "model": "small", "made": [{"name": "Mine", "has": 2, "lacks": 1}], "elsewhere": 0, "full": False, "most": 4
    }  # fmt: skip
    moved = Face("small", 7, directions={"~Mine": 2}, own=face.own)
    config = library.entry("small").info.config
    step = (latent(library, moved) - latents(config, [7]))[0]
    difference = latents(config, [1, 3]).mean(dim=0) - latents(config, [2])[0]
    assert torch.cosine_similarity(step, difference, dim=0) > 0.999
    assert (draw(library, moved).pixels != draw(library, face).pixels).any()
    assert labels(shown(tab, moved)) == {"Mine (yours)": 2}


def test_making_the_same_direction_again_costs_nothing(library, monkeypatch):
    counted = []
    measure = drawing.equal_strength
    monkeypatch.setattr(drawing, "equal_strength", lambda *a, **k: counted.append(1) or measure(*a, **k))
    face = Face("small", directions={"~Once": 1}, own=(OwnDirection("Once", "small", (11,), (12,)),))
    for _ in range(3):
        latent(library, face)
    assert len(counted) == 1


def test_an_own_direction_waits_while_another_model_is_shown(tab):
    face = Face("small", 7, directions={"~Mine": 2}, own=(OwnDirection("Mine", "small", (1,), (2,)),))
    elsewhere = tab.choose({"face": face.to_json(), "basis": OWN, "model": "runs/tiny"})
    assert Face.from_json(elsewhere["face"]) == Face("runs/tiny", 7, own=face.own)
    assert labels(elsewhere) == {} and elsewhere["picture"]
    assert elsewhere["own"]["made"] == [] and elsewhere["own"]["elsewhere"] == 1
    back = tab.choose({"face": elsewhere["face"], "basis": OWN, "model": "small"})
    assert labels(back) == {"Mine (yours)": 0}


def test_removing_a_direction_takes_its_change_away(tab):
    own = (OwnDirection("A", "small", (1,), (2,)), OwnDirection("A", "runs/tiny", (1,), (2,)))
    face = Face("small", 7, directions={"~A": 2, "Hat": 1}, own=own)
    answer = tab.remove({"face": face.to_json(), "basis": OWN, "name": "A"})
    assert Face.from_json(answer["face"]) == Face("small", 7, directions={"Hat": 1}, own=own[1:])


@pytest.mark.parametrize(
    "asked, words",
    [
        (dict(name="<img src=x>", has=[1], lacks=[1]), "seed 1 is marked both ways"),
        (dict(name=" "), "expected letters or digits"),
        (dict(has=[]), "expected 1 to 32 seeds"),
        (dict(lacks=["x"]), "expected a whole number"),
    ],
)
def test_a_direction_that_makes_no_sense_is_refused_in_words(tab, asked, words):
    answer = make(tab, Face("small", 7), **asked)
    assert Face.from_json(answer["face"]) == Face("small", 7)
    assert answer["note"].startswith("No slider was made: ") and words in answer["note"]


def test_four_own_directions_are_the_most(tab):
    face = Face("small")
    for i in range(4):
        face = Face.from_json(make(tab, face, name=f"d{i}")["face"])
    answer = make(tab, face, name="d4")
    assert "5 own directions: expected at most 4" in answer["note"]
    assert answer["own"]["full"] and len(answer["own"]["made"]) == 4


def test_a_damaged_directions_file_leaves_the_raw_sliders(tab, library, caplog):
    path = library.entry("runs/tiny").folder / "directions.safetensors"
    whole = path.read_bytes()
    path.write_bytes(b"torn")
    assert shown(tab, Face("runs/tiny"))["basis"] == RAW
    assert "cannot be loaded" in caplog.text
    path.write_bytes(whole)
    assert shown(tab, Face("runs/tiny"))["basis"] == ATTRIBUTES
