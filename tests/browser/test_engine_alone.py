"""The engine's modules by themselves: pictures as Pillow enlarges them, when what is asked of a worker, and threads."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

FILE = {"file": "x.onnx", "bytes": 1, "integrity": ""}
FACTS = {
    "format_version": 2,
    "z_dim": 4,
    "z_distribution": "normal",
    "image_size": 1,
    "directions": {"names": [], "vectors": ""},
    "networks": {"generator": FILE, "critic": FILE},
}
# `settle` lets messages in; `now` is the time, `waits` who waits for less than the worker's patience: [seconds, who].
WORLD = """
    const real = setTimeout;
    const settle = async () => { for (let tick = 0; tick < 10; tick++) await new Promise((passed) => real(passed)); };
    const waits = [];
    let now = 1000;
    performance.now = () => now;
    window.setTimeout = (call, milliseconds) => milliseconds < 1000 && waits.push([milliseconds, call]);
    const asked = [];
    const answers = { draw: { pixels: new Uint8ClampedArray(4), size: 1, milliseconds: 1 }, judge: 0.5 };
    window.Worker = class {
        postMessage({ number, name }) {
            asked.push(name);
            real(() => this.onmessage({ data: { number, answer: answers[name] ?? null } }));
        }
        terminate() {}
    };
    const { localEngine } = await import("/engine/local.js");
    const engine = localEngine("http://modules.invalid/base/");
    const face = { model: "small", seed: 1, truncation: 1, offsets: {}, latent: "", directions: {}, own: [], pad: [] };
    await engine.open("small");
    asked.length = 0;
"""
# A runtime whose threads begin, or in some way do not; `begun`: with how many threads it was tried.
RUNTIME = """
export const env = { wasm: {} };
const create = async () => {
    const { numThreads } = env.wasm;
    begun.push(numThreads);
    if (numThreads > 1 && outcome === "rejected") throw new Error("no threads");
    if (numThreads > 1 && outcome === "a thread's error") {
        setTimeout(() => dispatchEvent(new ErrorEvent("error", { message: "no threads", cancelable: true })));
        await new Promise(() => {});
    }
};
export const InferenceSession = { create };
"""


@pytest.fixture
def engine(bare):
    """`engine("return 1")`: what a script gives in its own `WORLD`."""
    tab = bare({"base/runtime.json": b"{}", "base/models/small/model.json": json.dumps(FACTS).encode()})
    yield lambda script: tab.evaluate(f"async () => {{ {WORLD} {script} }}")
    tab.close()


@pytest.mark.parametrize("size, factor", [(28, 2), (16, 3), (16, 8), (4, 2)])
def test_enlarged_pictures_are_pillows_to_the_bit(run, size, factor):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    colours[::3] = 255 * (colours[::3] > 127)  # which the filter goes beyond
    wanted = Image.fromarray(colours).resize((factor * size, factor * size), Image.Resampling.LANCZOS)
    script = "(m, [pixels, size, factor]) => [...m.enlarged(Uint8ClampedArray.from(pixels), size, factor)]"
    rgba = Image.fromarray(colours).convert("RGBA").tobytes()
    found = run("engine/pixels.js", script, [list(rgba), size, factor])
    assert bytes(found) == wanted.convert("RGBA").tobytes()


def test_a_move_is_on_its_way_before_anything_waits(engine):
    assert engine("engine.draw(face, true); return asked;") == ["draw"]


def test_the_critic_is_asked_right_after_a_picture_or_once_they_rest(engine):
    before, fetched, scores, delays, others = engine("""
        const scores = [];
        const later = async (drawn) => scores.push((await drawn.later) ?? null);
        const first = await engine.draw(face, true);
        await settle();
        const before = [...asked];
        waits.at(-1)[1]();
        await later(first);
        const fetched = [...asked];
        now += 60; // long before another score is wanted
        const second = await engine.draw(face, true);
        await settle();
        now += 60;
        const third = await engine.draw(face, true);
        await settle();
        for (const [, go] of waits.slice(1)) go();
        await later(second);
        await later(third);
        now += 1000;
        asked.length = 0;
        const fourth = await engine.draw(face, true);
        const fifth = engine.draw(face, true); // it was waiting for the fourth
        await later(fourth);
        await later(await fifth);
        const delays = waits.map(([milliseconds]) => milliseconds);
        return [before, fetched, scores, delays, asked.filter((name) => name !== "make")];
    """)
    assert (before, fetched) == (["draw"], ["draw", "make", "judge"])  # a page's first picture waits for nothing else
    assert scores == [0.5, None, 0.5, None, 0.5]
    assert delays == [100, 100, 100]
    assert others == ["draw", "draw", "judge"]


@pytest.mark.parametrize("outcome", ["begun", "rejected", "a thread's error"])
def test_one_thread_draws_where_several_do_not_begin(bare, outcome):
    tab = bare({"runtime.mjs": RUNTIME.encode()})
    try:
        threads, begun = tab.evaluate(
            """async (outcome) => {
                Object.assign(window, { outcome, begun: [] });
                Object.defineProperty(window, "crossOriginIsolated", { value: true });
                const { size } = await (await fetch("/runtime.mjs")).blob();
                const file = { address: "/runtime.mjs", bytes: size, integrity: "" };
                const { started } = await import("/engine/runtime.js");
                const runtime = await started(file, file, 8, () => () => {});
                return [runtime.env.wasm.numThreads, begun];
            }""",
            outcome,
        )
    finally:
        tab.close()
    assert (threads, begun) == ((4, [4]) if outcome == "begun" else (1, [4, 1]))


def test_a_picture_has_half_of_the_cores_where_memory_can_be_shared(run):
    found = run("engine/runtime.js", "(m) => [1, 2, 3, 4, 6, 8, 64].map((cores) => m.threadsFor(cores, true))")
    assert found == [1, 1, 1, 2, 3, 4, 4]
    assert run("engine/runtime.js", "(m) => [m.threadsFor(8, false), m.threadsFor(undefined, true)]") == [1, 1]
