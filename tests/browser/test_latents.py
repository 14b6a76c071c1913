"""gan/web/latent: from seeds and faces to the latent vectors that Python finds, for every shipped model."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model_facts import WEIGHTS, facts, rgba

from gan import sampling
from gan.latent import directions, morph
from gan.run import is_run
from gan.sampling import latents, seed_to_z
from gan.ui.arithmetic_server import Sum, solve
from gan.ui.drawing import latent
from gan.ui.library import Library
from gan.ui.morph_server import WAYS, Film
from gan.ui.state import Face, FaceError, OwnDirection
from gan.ui.values import encode_latent

TESTS = Path(__file__).resolve().parents[1]
VECTORS = json.loads((TESTS / "seed_vectors.json").read_text(encoding="utf-8"))["vectors"]
MODELS = sorted(folder.name for folder in WEIGHTS.iterdir() if is_run(folder))
each_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library([WEIGHTS])


def javascript(face: Face) -> dict:
    """A face as the browser holds it."""
    return json.loads(face.to_json())


def close(found: object, wanted: torch.Tensor) -> bool:
    """Whether latent vectors are Python's, but for what float32 leaves open."""
    return np.allclose(np.array(found), wanted.numpy(), rtol=0, atol=2e-6)


def test_seeds_are_the_documented_ones(run):
    found = run(
        "latent/seeds.js",
        """(m, seeds) => seeds.map((seed) => [m.philox(seed, 0), ...["uniform", "normal"].map((z_distribution) =>
            [...m.latents({ z_dim: 6, z_distribution }, seed)])])""",
        [vector["seed"] for vector in VECTORS],
    )
    for (words, uniform, normal), vector in zip(found, VECTORS, strict=True):
        assert words == vector["words"]
        np.testing.assert_array_equal(np.float32(uniform), np.float32(vector["uniform"]))
        np.testing.assert_array_equal(np.float32(normal), np.float32(vector["normal"]))
    # Later blocks, and a length that is not a number of whole blocks.
    for distribution in ("uniform", "normal"):
        asked = {"z_dim": 1023, "z_distribution": distribution}
        long = run("latent/seeds.js", "(m, model) => [...m.latents(model, 4294967295)]", asked)
        np.testing.assert_allclose(long, seed_to_z(sampling.MAX_SEED, 1023, distribution), rtol=0, atol=2e-7)


def test_a_latent_as_text_is_python_s_both_ways(run):
    normal = seed_to_z(3, 1000)
    odd = [0, -0.0, 10, -10, 1e-8, -3e-8, 8.9e-8, 6.1e-5, 6.103e-5, 1.00048828125, 1.00146484375, 0.3333, 2.0**-24]
    z = np.concatenate([normal, np.float32(odd)])
    text = encode_latent(torch.from_numpy(z))
    codec = "(m, [text, z]) => [m.encodeLatent(Float32Array.from(z)), [...m.decodeLatent(text)]]"
    encoded, decoded = run("latent/numbers.js", codec, [text, z.tolist()])
    assert encoded == text and decoded == z.astype("<f2").tolist()
    refused = "(m, z) => { try { m.encodeLatent(Float32Array.from(z)); } catch (error) { return error.message; } }"
    assert run("latent/numbers.js", refused, [1, 10.1]).startswith("latent of 2 numbers: expected 1 to 1024")


READ = "const { readModel } = await import('/latent/model.js'); const model = readModel(facts);"


@each_model
def test_a_face_is_drawn_of_the_latent_vector_that_python_finds(run, library, name, monkeypatch):
    """Ten seeds, own latents, offsets, sliders of every kind, and a direction of the visitor's, at many truncations."""
    config, known = library.generator(name).config, list(library.directions(name).values())
    own = OwnDirection("Hat (b)", name, (3, 17, 40), (5, 2**32 - 1))
    elsewhere = OwnDirection("Hat (b)", "another", (3,), (5,))
    random = np.random.default_rng(0)
    faces = [Face(name, int(seed), 0.15 * at) for at, seed in enumerate(random.integers(0, 2**32, 10))]
    faces += [Face(name, 7, 1.5, directions={direction.name: float(random.uniform(-3, 3))}) for direction in known]
    faces += [
        Face(name, 7, 0.7, {0: -1.234, config.z_dim - 1: 3}, "", {one.name: 0.777 for one in known[:5]}),
        Face(name, 1, latent=encode_latent(latents(config, [9])), offsets={3: 0.5}),
        Face(name, 8, 1.1, {2: 1}, "", {own.key: -2.5, known[-1].name: 1}, (elsewhere, own)),
        Face(name, 8, own=(own,)),
    ]
    drawn = []  # what Python draws to find how strong the visitor's direction is, which the browser is given as well

    def generate(generator, z, **options):
        drawn.append((z, sampling.generate(generator, z, **options)))
        return drawn[-1][1]

    monkeypatch.setattr(directions, "generate", generate)
    wanted = [latent(library, face)[0] for face in faces]
    both = [[np.concatenate(pair) for pair in zip(*drawn[at : at + 2], strict=True)] for at in range(1, len(drawn), 2)]
    sheets = [(z.tolist(), base64.b64encode(rgba(pixels)).decode()) for z, pixels in (drawn[0], *both)]
    found, asked, problems = run(
        "latent/face.js",
        f"""async (m, [facts, faces, sheets, wrong]) => {{
            {READ}
            const {{ measureOwn }} = await import("/latent/own.js");
            const asked = [];
            const draw = async (zs) => {{
                asked.push(zs.map((z) => [...z]));
                return Uint8ClampedArray.from(atob(sheets[asked.length - 1][1]), (byte) => byte.charCodeAt(0));
            }};
            const found = [];
            for (const face of faces) {{
                await measureOwn(face, model, draw);
                const {{ z, psi }} = m.latentOf(face, model);
                found.push([[...z], psi]);
            }}
            const problems = wrong.map((face) => {{
                try {{ m.latentOf(face, model); }}
                catch (error) {{ return error instanceof m.FaceError && error.message; }}
            }});
            return [found, asked, problems];
        }}""",
        [facts(name), *map(list, (map(javascript, faces), sheets, map(javascript, _wrong(name, config.z_dim))))],
    )
    for face, z, (found_z, psi) in zip(faces, wanted, found, strict=True):
        assert close(found_z, z) and psi == face.truncation, face
    assert len(asked) == len(sheets) == 4  # measured once
    for zs, (wanted_zs, _) in zip(asked, sheets, strict=True):
        assert np.allclose(zs, wanted_zs, rtol=0, atol=2e-5)
    for face, problem in zip(_wrong(name, config.z_dim), problems, strict=True):
        with pytest.raises(FaceError) as told:
            latent(library, face)
        assert problem == str(told.value)


def _wrong(name: str, z_dim: int) -> list[Face]:
    return [
        Face(name, directions={"Eleven fingers": 1}),
        Face(name, offsets={z_dim: 1}),
        Face(name, latent=encode_latent(torch.ones(z_dim + 1))),
    ]


@pytest.mark.parametrize("name", ["faces64", "dlnd-celeba28"])
def test_films_and_sums_are_python_s(run, library, name):
    """faces64's latents are normal, dlnd-celeba28's uniform."""
    config = library.generator(name).config
    faces = [Face(name, 3), Face(name, 8, 0.5, {2: 1}), Face(name, 4), Face(name, 20, 1.3)]
    stops = [{"z": latent(library, face)[0].tolist(), "psi": face.truncation} for face in faces]
    for way in WAYS:  # an even number: there and back again legs are equally long, but for rounding
        z, psi, where = Film(tuple(faces), 48, way=way).path(library)
        made = run(
            "latent/interpolation.js",
            """(m, [stops, way]) => {
                const given = stops.map(({ z, psi }) => ({ z: Float32Array.from(z), psi }));
                const { frames, stops: where } = m.film(given, 48, way);
                return [frames.map(({ z }) => [...z]), frames.map(({ psi }) => psi), where];
            }""",
            [stops, way],
        )
        assert made[2] == where and np.allclose(made[0], z, rtol=0, atol=2e-5) and np.allclose(made[1], psi, atol=1e-6)
    ends = [[1.0, 2, 3], [-2.0, -4, -6], [1, 2, 3.001]]
    halfway = [morph.slerp(torch.tensor(ends[0]), torch.tensor(end), 0.25) for end in ends]
    slerp = "(m, ends) => ends.map((end) => [...m.slerp(Float32Array.from(ends[0]), Float32Array.from(end), 0.25)])"
    assert close(run("latent/interpolation.js", slerp, ends), torch.stack(halfway))

    terms = ((0, 1, 2), (3, 4), (5,))
    solved = solve(library, Sum(name, terms))
    averages = torch.cat([morph.average(latents(config, term), config.z_distribution) for term in terms])
    found = run(
        "latent/arithmetic.js",
        """async (m, [facts, terms]) => {
            const { latents } = await import("/latent/seeds.js");
            const zs = terms.map((seeds) => seeds.map((seed) => latents(facts, seed)));
            const sum = m.arithmetic(facts, ...zs), around = m.neighbours(sum, 8);
            const nothing = () => { try { m.average(facts, [zs[2][0], zs[2][0].map((number) => -number)]); }
                catch (error) { return error.message; } };
            return [zs.map((term) => [...m.average(facts, term)]), [...around.slice(0, 4), sum, ...around.slice(4)]
                .map((z) => [...z]), nothing()];
        }""",
        [facts(name), terms],
    )
    assert close(found[0], averages)
    assert np.allclose(found[1], torch.cat([face.z(config) for face in solved.faces]), rtol=0, atol=3e-3)  # float16
    assert found[2] == "these latent vectors add up to zero, which has no direction: choose other faces"


@pytest.mark.parametrize("version", [1, 3])
def test_of_another_format_nothing_is_taken(run, version):
    reading = "(m, facts) => { try { m.readModel(facts); } catch (error) { return error.message; } }"
    told = run("latent/model.js", reading, facts("dlnd-mnist28") | {"format_version": version})
    assert told == f"model.json has format {version}, this page reads 2: reload the page"
