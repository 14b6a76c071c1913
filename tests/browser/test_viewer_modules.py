"""Modules of Morph, Photo, Replay and Explore by themselves, without a server: where things are, what is asked when.

Long because the modules of four tabs are imported by one browser.
"""

from __future__ import annotations

import itertools
import json
import math

import pytest

from gan.films import replay
from gan.films.replay import warp

SCALE, PLAYHEAD, RUNS, SOURCE = (f"replay/{name}.js" for name in ("scale", "playhead", "runs", "source"))
SQUARE, LIKENESS = "photo/square.js", "photo/likeness.js"
TIMING, SEEDS = "morph/timing.js", "morph/seeds.js"


# ---- replay ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_axis_is_the_films_axis(run, logarithmic):
    images = [0, 10, 256, 1000, 54_321, 200_000]
    places = "(m, [images, bent]) => images.map((i) => m.timeAxis(200000, bent).to(i))"
    back = "(m, [places, bent]) => places.map((p) => m.timeAxis(200000, bent).from(p))"
    expected = [warp(i) / warp(200_000) if logarithmic else i / 200_000 for i in images]
    found = run(SCALE, places, [images, logarithmic])
    assert found == pytest.approx(expected)
    assert run(SCALE, back, [found, logarithmic]) == pytest.approx(images)
    ends = "(m, bent) => { const axis = m.timeAxis(2000, bent); return [axis.to(-5), axis.to(3000), axis.from(2)]; }"
    assert run(SCALE, ends, logarithmic) == pytest.approx([0, 1, 2000])


@pytest.mark.parametrize("most", [0, 90, 2000, 1.2e6, 2.5e8])
@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize("width", [300, 900])
def test_ticks_have_room_for_their_labels_and_0_has_one(run, most, logarithmic, width):
    ticks = """(m, [most, bent, width]) => {
        const axis = m.timeAxis(most, bent);
        return m.timeTicks(axis, width).map((value) => [value, axis.to(value) * width, m.compact(value)]);
    }"""
    found = sorted(run(SCALE, ticks, [most, logarithmic, width]))
    assert found[0][0] == 0 and all(value <= most for value, *_ in found)
    assert all(after - before > 44 for (_, before, _), (_, after, _) in itertools.pairwise(found))
    assert len(found) > 2 or most < 2000
    assert all(len(label) <= 5 for *_, label in found)


def test_numbers_are_told_in_few_characters(run):
    told = run(SCALE, "(m) => [0.05, 7, 1000, 12345, 2.5e6].map(m.compact)")
    assert told == ["0.05", "7", "1k", "12.3k", "2.5M"]
    assert run(SCALE, "(m) => [12.4, 300, 9000].map(m.duration)") == ["12 s", "5 min", "2.5 h"]


def test_the_last_that_is_not_after_is_found(run):
    find = "(m, values) => values.map((value) => m.lastAt([1, 3, 3, 8], value))"
    assert run(SCALE, find, [0, 1, 2, 3, 7.9, 8, 99]) == [-1, 0, 0, 2, 2, 3, 3]
    assert run(SCALE, "(m) => [m.lastAt([], 1), m.lastAt([[5, 'a'], [6, 'b']], 5.5, ([n]) => n)]") == [-1, 0]


def test_moments_are_thinned_as_the_server_thins_them(run):
    spread = "(m, [items, most]) => m.spread(items, most, (images) => images)"
    for images in ([0], list(range(0, 5000, 7)), [0, *(int(256 * 1.3**at) for at in range(40))], [0, 0, 9, 9, 4000]):
        for most in (2, 3, 12):
            assert run(SCALE, spread, [images, most]) == replay._spread(images, images, most)


RUN = {"name": "a", "latent": "8 normal", "snapshots": 0, "sheets": [[at, 100 * at] for at in range(40)]}
FACE = {"model": "a", "seed": 7, "truncation": 1, "offsets": {}, "directions": {}, "latent": ""}


@pytest.mark.parametrize(
    ("face", "others", "expected"),
    [
        ({}, {}, ("sheets", 7, "")),
        ({}, {"snapshots": 11}, ("sheets", 7, "")),
        ({}, {"snapshots": 12}, ("generators", None, None)),  # no fewer moments than the sheets give
        ({}, {"snapshots": 2, "sheets": [[0, 0], [3, 100]]}, ("generators", None, None)),
        ({"model": "b"}, {"snapshots": 2}, ("sheets", 7, "")),  # its numbers are of the same kind
        ({"model": "b"}, {"latent": "8 uniform"}, ("sheets", 0, "numbers")),
        ({"model": "b"}, {"latent": "8 uniform", "snapshots": 2, "kept": 9}, ("sheets", 9, "numbers")),
        ({"model": "b"}, {"latent": ""}, ("sheets", 0, "numbers")),
        ({}, {"latent": ""}, ("sheets", 7, "")),  # a broken config.json, and the face is the run's own
        ({"truncation": 0.5}, {"snapshots": 2}, ("generators", None, None)),
        ({"truncation": 0.5}, {"kept": 9}, ("sheets", 7, "moved")),
        ({"truncation": 0.5}, {"snapshots": 1}, ("sheets", 7, "moved")),
        ({"truncation": 0.5}, {"snapshots": 1, "sheets": [[0, 0]]}, ("generators", None, None)),
        ({"offsets": {"3": 1}}, {}, ("sheets", 7, "moved")),
        ({"directions": {"Smile": 1}}, {"snapshots": 2}, ("generators", None, None)),
        ({"seed": 63}, {}, ("sheets", 63, "")),
        ({"seed": 64}, {}, ("sheets", 0, "seed")),
        ({"seed": 64}, {"kept": 9}, ("sheets", 9, "seed")),
        ({"seed": 64}, {"snapshots": 1}, ("generators", None, None)),
        ({"latent": "AAAA", "seed": 0}, {}, ("sheets", 0, "seed")),
        ({"latent": "AAAA", "seed": 0}, {"snapshots": 1}, ("generators", None, None)),
        (None, {"kept": 9, "snapshots": 2}, ("sheets", 9, "face")),
        ({}, {"sheets": []}, ("", None, None)),
        ({"model": "b"}, {"sheets": [], "snapshots": 2, "latent": ""}, ("generators", None, None)),  # who says why not
    ],
)
def test_what_a_face_s_way_is_made_of(run, face, others, expected):
    asked = {"face": face if face is None else FACE | face, "latent": "8 normal", "kept": others.pop("kept", None)}
    found = run(SOURCE, "(m, asked) => m.sourceOf(asked)", asked | {"run": RUN | others})
    assert (found["from"], found.get("seed"), found.get("why")) == expected
    assert found.get("why") != "moved" or found["generators"] == others.get("snapshots", 0)


@pytest.mark.parametrize(
    ("source", "face", "label", "sentence"),
    [
        ({"from": "generators"}, {}, "Draw the digit", "as this run drew it while it learned."),
        ({"from": "sheets", "seed": 7, "why": ""}, {}, "Draw the digit", "as this run drew it while it learned."),
        ({"why": "moved"}, {"truncation": 0.5}, "Draw the digit", "Seed 7 at truncation 1 instead of 0.5: the run"),
        ({"why": "moved"}, {"offsets": {"3": 1}}, "Draw the digit", "Seed 7 with its sliders at 0: the run kept its"),
        ({"why": "moved"}, {"truncation": 0.5, "directions": {"Hat": 1}}, "Draw the digit", "0.5, with its sliders at"),
        (
            {"why": "moved", "generators": 0},
            {"truncation": 0.5},
            "Draw the digit",
            "seeds 0 to 63, not its generators. Its",
        ),
        (
            {"why": "moved", "generators": 1},
            {"truncation": 0.5},
            "Draw the digit",
            "seeds 0 to 63, and one of its generators. ",
        ),
        ({"why": "seed"}, {"seed": 99}, "Show seed 7", "Explore shows seed 99, and the run kept its pictures of seeds"),
        ({"why": "numbers"}, {"model": "b"}, "Show seed 7", "a picture of B, and this run draws from other numbers: "),
        ({"why": "face"}, None, "Show seed 7", "There is no digit in Explore yet: show seed 7, or another that you"),
        ({"from": ""}, {}, "", "kept neither sheets nor generators while it learned: choose another run."),
    ],
)
def test_a_button_s_words_say_what_it_shows_and_what_not(run, source, face, label, sentence):
    words = """(m, [source, face, isTraining]) => m.wordsOf(source,
        { face, kind: "digit", title: (name) => name.toUpperCase(), isTraining })"""
    asked = [{"from": "sheets", "seed": 7} | source, face and FACE | face]
    found, growing = (run(SOURCE, words, [*asked, is_training]) for is_training in (False, True))
    assert found["label"] == label + (" from Explore" if label.startswith("Draw") else "")
    assert sentence in found["before"] and ("first comes by itself" in growing["before"]) == (not label)
    if label.startswith("Show"):
        assert found["after"].startswith("Seed 7. ") and "show seed" not in found["after"]


def test_the_plot_shows_every_mean_and_not_every_spike(run):
    values = [1.0] * 200 + [90.0]
    data = {"curves": {"loss_g": values, "loss_d": [None]}, "smoothed": {"loss_g": [1.0, None, 1.5], "loss_d": []}}
    low, high = run(SCALE, "(m, data) => m.lossRange([data])", data)
    assert low == 0 and 1.5 < high < 2
    nothing = {"curves": {"loss_g": [], "loss_d": []}, "smoothed": {"loss_g": [], "loss_d": []}}
    assert run(SCALE, "(m, data) => m.lossRange([data])", nothing) == [0, 1]
    path = run(SCALE, "(m) => m.curvePath([1, 2, 3, 4], [5, 6, null, 8], (x) => x, (y) => y)")
    assert path == "M1.0 5.0L2.0 6.0M4.0 8.0"


def test_the_playhead_comes_to_the_end_in_its_time(run):
    play = """async (m, options) => {
        const { timeAxis } = await import("/replay/scale.js"), axis = timeAxis(5000, true), moments = [0];
        for (let i = 0; i < 10000; i++) {
            const next = m.advance(axis, moments.at(-1), 0.02, options);
            moments.push(next.moment);
            if (next.ended || next.moment === 0) return [moments.length - 1, next.ended, moments];
        }
    }"""
    ticks, ended, moments = run(PLAYHEAD, play, {"sheets": 30, "speed": 1, "loop": False})
    assert ended and abs(ticks * 0.02 - 7.5) < 0.05 and moments[-1] == 5000 and moments == sorted(moments)
    ticks, ended, moments = run(PLAYHEAD, play, {"sheets": 1, "speed": 4, "loop": True})
    assert not ended and abs(ticks * 0.02 - 1) < 0.05 and moments[-1] == 0
    pause = "async (m) => m.advance((await import('/replay/scale.js')).timeAxis(100, false), 0, 60, "
    pause += "{ sheets: 1, speed: 1, loop: false })"
    assert run(PLAYHEAD, pause)["moment"] == pytest.approx(10)  # after a page that stood still it does not jump


@pytest.mark.parametrize(
    ("moment", "by", "expected"),
    [(0, 1, 10), (0, -1, 0), (10, -1, 0), (15, -1, 10), (15, 1, 20), (20, 1, 20), (20, -2, 0), (7, 5, 20)],
)
def test_a_step_goes_to_a_sheet(run, moment, by, expected):
    assert run(PLAYHEAD, "(m, [moment, by]) => m.step([0, 10, 20], moment, by)", [moment, by]) == expected


def test_without_sheets_there_is_no_step(run):
    assert run(PLAYHEAD, "(m) => m.step([], 0, 1)") is None


# Runs with a server that answers what `answers` says; each question is noted.
WITH_RUNS = """async (m, plan) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
    const content = canvas.toDataURL("image/webp").split(",")[1];
    const asked = [], calls = [];
    let moment = 1e9;
    const late = {};
    late.asked = new Promise((resolve) => { late.wasAsked = resolve; });
    late.answer = new Promise((resolve) => { late.give = resolve; });
    const sheets = [0, 1, 2].map((number) => [number, 100 * number, "v", 1, 1]);
    const runs = m.buildRuns({
        async ask(name, { name: run, stamp, sheets: wanted }) {
            asked.push([name, run, wanted ?? stamp]);
            const [slow, of] = plan.slow ?? [];
            if (slow === name && of === run) {
                late.wasAsked();
                await late.answer;
            }
            if (plan.silent === asked.length) return { problem: "silence", unanswered: true };
            if (name === "replay_run") return stamp === "s" ? { unchanged: true } : { stamp: "s", title: run, sheets };
            const sent = wanted.slice(0, plan.fits ?? 9);
            return { sheets: sent.map((number) => [number, "v", number === 1 ? "AAAA" : content]) };
        },
        moment: () => moment,
        changed: () => calls.push("changed"),
        arrived: () => calls.push("arrived"),
        busy: (isBusy) => calls.push(isBusy),
    });
    moment = plan.moment ?? moment;
    const refreshed = [];
    for (const names of plan.choose) {
        runs.choose(names);
        refreshed.push(runs.refresh());
        await Promise.race([refreshed.at(-1), late.asked]);
    }
    await refreshed.at(-1);
    late.give();
    await Promise.all(refreshed);
    const [slot] = runs.slots;
    const pictures = sheets.map((sheet) => runs.pictureOf(slot, sheet)).map((found) => found?.width ?? String(found));
    const shown = runs.sheetAt(slot)?.[0];
    moment = plan.later ?? moment;
    const later = [runs.sheetAt(slot), runs.shownAt(slot)].map((sheet) => sheet?.[0]);
    const { failed, again } = runs;
    return { asked, calls, pictures, failed, again, shown, later, title: slot.data?.title };
}"""


def test_the_sheet_of_the_moment_comes_first_and_nothing_twice(run):
    found = run(RUNS, WITH_RUNS, {"choose": [["a", ""], ["a", ""]], "moment": 100})
    assert found["asked"] == [
        ["replay_run", "a", None],
        ["replay_sheets", "a", [1]],
        ["replay_sheets", "a", [0, 2]],
        ["replay_run", "a", "s"],
    ]
    assert found["pictures"] == [8, "null", 8]  # a damaged one is known to be so
    assert found["calls"] == [True, "changed", "arrived", "arrived", False, True, False] and found["shown"] == 1


def test_what_did_not_fit_into_an_answer_is_asked_again(run):
    found = run(RUNS, WITH_RUNS, {"choose": [["a", ""]], "fits": 1})
    assert [sheets for name, _, sheets in found["asked"] if name == "replay_sheets"] == [[2], [0, 1], [1]]


@pytest.mark.parametrize("late", ["replay_run", "replay_sheets"])
def test_of_a_run_that_is_no_longer_shown_nothing_is_taken(run, late):
    found = run(RUNS, WITH_RUNS, {"choose": [["old", ""], ["new", ""]], "slow": [late, "old"], "fits": 1})
    assert [name for name, of, _ in found["asked"] if of == "old"][-1] == late
    assert found["pictures"] == [8, "null", 8] and found["title"] == "new"
    assert found["calls"].count("arrived") == 3  # of the new one


@pytest.mark.parametrize("silent", [1, 2])
def test_without_an_answer_that_is_told_and_asked_again(run, silent):
    found = run(RUNS, WITH_RUNS, {"choose": [["a", ""]], "silent": silent})
    assert (found["failed"], found["again"]) == ("silence", True)
    assert found["calls"][-1] is False and "changed" in found["calls"]
    found = run(RUNS, WITH_RUNS, {"choose": [["a", ""], ["a", ""]], "silent": silent})
    assert (found["failed"], found["again"], found["pictures"]) == ("", False, [8, "null", 8])


def test_while_the_sheet_of_a_moment_is_on_its_way_the_nearest_that_is_here_is_shown_as_what_it_is(run):
    found = run(RUNS, WITH_RUNS, {"choose": [["a", ""]], "later": 0, "silent": 3})
    assert found["pictures"] == ["undefined", "undefined", 8] and found["later"] == [0, 2]
    nothing = run(RUNS, WITH_RUNS, {"choose": [["a", ""]], "later": 0, "silent": 2})
    assert nothing["pictures"] == ["undefined"] * 3 and nothing["later"] == [0, 0]
    whole = run(RUNS, WITH_RUNS, {"choose": [["a", ""]], "later": 100})
    assert whole["later"] == [1, 1]  # a damaged one is shown as that


# ---- photo ----------------------------------------------------------------------------------------------------------

PHOTO = {"width": 400, "height": 300}


def test_a_square_begins_where_a_face_is(run):
    wide = run(SQUARE, "(m, photo) => m.begin(photo)", PHOTO)
    assert wide == {"x": 200, "y": 150, "side": pytest.approx(216), "tilt": 0}
    tall = run(SQUARE, "(m, photo) => m.begin(photo)", {"width": 300, "height": 400})
    assert tall["y"] > 200 and tall["side"] == pytest.approx(216)
    cropped = run(SQUARE, "(m, photo) => m.begin(photo)", {"width": 178, "height": 180})
    assert cropped["side"] == 178


def test_the_middle_of_a_square_stays_in_the_photo(run):
    move = "(m, [photo, wanted]) => m.changed(photo, m.begin(photo), wanted)"
    assert run(SQUARE, move, [PHOTO, {"x": -50, "y": 999}]) == {"x": 0, "y": 300, "side": pytest.approx(216), "tilt": 0}
    assert run(SQUARE, move, [PHOTO, {"side": 1}])["side"] == 24
    assert run(SQUARE, move, [PHOTO, {"side": 1e6}])["side"] == 560


@pytest.mark.parametrize("tilt", [0, 30, -45])
def test_the_photo_follows_the_finger_however_it_is_tilted(run, tilt):
    shift = "(m, [photo, square]) => m.shifted(photo, square, 0.1, -0.05)"
    before = {"x": 200, "y": 150, "side": 100, "tilt": tilt}
    after = run(SQUARE, shift, [PHOTO, before])
    x, y = after["x"] - before["x"], after["y"] - before["y"]
    angle = math.radians(tilt)  # as the canvas turns the photo
    seen = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
    assert seen == pytest.approx((-10, 5)) and after["side"] == 100


def test_the_zoom_slider_and_the_square_agree(run):
    there_and_back = "(m, photo) => [0, 12.5, 50, 100].map((value) => m.toZoom(photo, m.fromZoom(photo, value)))"
    assert run(SQUARE, there_and_back, PHOTO) == pytest.approx([0, 12.5, 50, 100])
    ends = "(m, photo) => [m.fromZoom(photo, 0), m.fromZoom(photo, 100)]"
    assert run(SQUARE, ends, PHOTO) == pytest.approx([560, 24])


PLACES = [[0.348, 0.439], [0.652, 0.439], [0.5, 0.772]]  # of eyes and mouth in training pictures


@pytest.mark.parametrize(("turned", "tilt"), [(0, 0), (15, 15), (-30, -30), (60, 45), (8, 0)])  # a little is no tilt
def test_a_face_is_framed_as_training_pictures_are(run, turned, tilt):
    angle = math.radians(-turned)  # of the head in the photo: the square turns it upright
    marks = [
        [
            300 + 120 * ((x - 0.5) * math.cos(angle) - (y - 0.5) * math.sin(angle)),
            200 + 120 * ((x - 0.5) * math.sin(angle) + (y - 0.5) * math.cos(angle)),
        ]
        for x, y in PLACES
    ]
    square = run(SQUARE, "(m, marks) => m.around(marks)", marks)
    near = 1e-6 if tilt or not turned else 2  # pixels
    wanted = {"x": 300, "y": 200, "side": 120, "tilt": tilt}
    assert square == {name: pytest.approx(value, abs=near) for name, value in wanted.items()}


FACES = """(m, faces) => {
    const numbers = (count, fill = 0) => ({ data: new Float32Array(count).fill(fill) });
    const outputs = { "Identity:0": numbers(512, -9), "Identity_1:0": numbers(384, -9),
        "Identity_2:0": numbers(16 * 512), "Identity_3:0": numbers(16 * 384) };
    for (const [scores, boxes, at, score, side] of faces) {
        outputs[scores].data[at] = score;
        outputs[boxes].data.set([0, 0, side, side, -16, -8, 16, -8, 0, 0, 8, 24, 0, 0, 0, 0], 16 * at);
    }
    return m.facesIn(outputs);
}"""
FINE, COARSE = ("Identity:0", "Identity_2:0"), ("Identity_1:0", "Identity_3:0")


@pytest.mark.parametrize(
    ("found", "middles"),
    [
        ([], []),
        ([[*FINE, 37, -0.1, 64]], []),  # less certain than a half
        ([[*FINE, 37, 2, 64]], [[40, 24]]),
        ([[*FINE, 37, 2, 32], [*COARSE, 384 - 1, 1, 64]], [[240, 240], [40, 24]]),  # the largest first
        ([[*FINE, 36, 0, 64], [*FINE, 38, 1.0986123, 64]], [[49.6, 24]]),  # one face, told twice
    ],
)
def test_faces_are_read_out_of_what_blazeface_gives(run, found, middles):
    faces = run("photo/blazeface.js", FACES, found)
    assert [[256 * face["x"], 256 * face["y"]] for face in faces] == [pytest.approx(middle) for middle in middles]
    for face in faces:
        x, y = face["x"], face["y"]
        marks = [[x - 1 / 16, y - 1 / 32], [x + 1 / 16, y - 1 / 32], [x + 1 / 32, y + 3 / 32]]
        assert face["marks"] == [pytest.approx(mark) for mark in marks]


def test_blazeface_is_given_colours_from_minus_one_to_one(run):
    inputs = run("photo/blazeface.js", """(m) => {
        const { data, dims } = m.toInputs(new Uint8ClampedArray(4 * 256 * 256).fill(255).fill(0, 0, 2))["input:0"];
        return [dims, data.length, [...data.subarray(0, 4)]];
    }""")  # fmt: skip
    assert inputs == [[1, 256, 256, 3], 3 * 256 * 256, [-1, -1, 1, 1]]


def test_how_near_it_came_is_told_in_words(run):
    say = "(m, told) => m.facts(told).map(({ text }) => text).join('')"
    told = {"step": 100, "steps": 100, "psnr": [12.04, 21.06], "features": [2.5, 0.755], "note": "No encoder."}
    assert run(LIKENESS, say, told) == (
        "No encoder. Found: 21.1 dB PSNR, close (the first guess: 12.0 dB). Distance in what the network sees: 0.76 "
        "(the first guess: 2.50)."
    )
    assert run(LIKENESS, say, told | {"step": 7, "note": ""}).startswith("Stopped after 7 steps: 21.1 dB")
    assert run(LIKENESS, say, told | {"step": 0, "note": ""}).startswith("The first guess is there")
    strong = run(LIKENESS, "(m, told) => m.facts(told).filter((part) => part.strong).map((part) => part.text)", told)
    assert strong == ["21.1 dB", "0.76"]
    words = run(LIKENESS, "(m) => [5, 14, 19.9, 20, 27, 28].map(m.closeness)")
    assert words == ["far from it", "a rough likeness", "alike", "close", "very close", "nearly the same"]


def test_the_descent_fills_its_box(run):
    box = {"left": 10, "right": 110, "top": 5, "bottom": 45}
    told = {"psnr": [10.0, 30.0, 20.0], "steps": 4}
    points = run(LIKENESS, "(m, [told, box]) => m.descent(told, box)", [told, box])
    assert points == [[10, 45], [35, 5], [60, 25]]
    flat = run(LIKENESS, "(m, [told, box]) => m.descent(told, box)", [{"psnr": [10.0], "steps": 4}, box])
    assert flat == [[10, 45]]


# ---- morph ----------------------------------------------------------------------------------------------------------

SHEET = {"columns": 4, "cell": 24, "side": 20, "frames": 10, "stops": [0, 3, 7]}


def test_a_frame_lies_where_the_server_put_it(run):
    assert run(TIMING, "(m, sheet) => [0, 3, 4, 9].map((frame) => m.corner(sheet, frame))", SHEET) == [
        {"x": 0, "y": 0}, {"x": 72, "y": 0}, {"x": 0, "y": 24}, {"x": 24, "y": 48},
    ]  # fmt: skip


def test_a_film_goes_on_evenly_and_begins_anew(run):
    assert run(TIMING, "(m) => [m.onward(2, 0.1, 20, 10), m.onward(9.5, 0.1, 10, 10)]") == pytest.approx([4, 0.5])
    assert run(TIMING, "(m) => m.onward(0, 60, 20, 100)") == pytest.approx(5)  # after a page that stood still
    assert run(TIMING, "(m) => [m.carried(5, 10, 60), m.carried(9.9, 10, 8)]") == pytest.approx([30, 7])


def test_every_face_is_met(run):
    least = "(m) => ['loop', 'back', 'once'].map((way) => [3, 8].map((faces) => m.leastFrames(way, faces)))"
    assert run(TIMING, least) == [[8, 8], [8, 14], [8, 8]]


def test_the_nearest_face_may_lie_beyond_the_seam(run):
    near = "(m, [sheet, way]) => [0, 2, 5, 6, 9].map((frame) => m.nearestFace(sheet, frame, way))"
    assert run(TIMING, near, [SHEET, "loop"]) == [0, 1, 1, 2, 0]
    assert run(TIMING, near, [SHEET, "once"]) == [0, 1, 1, 2, 2]


def test_the_strip_shows_the_whole_film(run):
    strip = "(m, [frames, way, width]) => m.stripFrames(frames, way, width)"
    assert run(TIMING, strip, [60, "once", 900])[-1] == 59 and len(run(TIMING, strip, [60, "once", 900])) == 14
    assert run(TIMING, strip, [60, "loop", 300]) == [0, 10, 20, 30, 40, 50]
    assert run(TIMING, strip, [8, "loop", 5000]) == list(range(8))


def test_a_morph_begins_with_explores_face_and_three_others(run):
    start = json.dumps({"model": "small", "seed": 1, "truncation": 0.5, "offsets": {"3": 2}})
    first = run(SEEDS, "(m, start) => m.firstFaces('small', start)", start)
    assert first[0] == start and [json.loads(face)["seed"] for face in first] == [1, 0, 2, 3]
    assert [json.loads(f)["seed"] for f in run(SEEDS, "(m) => m.firstFaces('small', '')")] == [0, 1, 2, 3]


def test_seeds_go_on_in_another_model_and_latents_stay(run):
    faces = [
        {"model": "a", "seed": 7, "truncation": 0.5, "offsets": {"1": 1}, "latent": ""},
        {"model": "a", "seed": 0, "truncation": 1, "latent": "AAAA"},
    ]
    found = run(SEEDS, "(m, faces) => m.facesFor('b', faces)", [json.dumps(face) for face in faces])
    assert found["left"] == 1
    assert [json.loads(face) for face in found["wanted"]] == [{"model": "b", "seed": 7, "truncation": 0.5}]


def test_random_seeds_are_short_enough_to_read_out(run):
    seeds = run(SEEDS, "(m) => [...Array(50)].map(m.randomSeed)")
    assert all(0 <= seed < 1e6 and seed == int(seed) for seed in seeds) and len(set(seeds)) > 40


def test_a_film_that_waits_for_its_turn_says_so_and_is_kept_in_the_end(run):
    tell = """(m) => {
        const main = document.querySelector("main"), sent = [], said = [];
        main.innerHTML = `<div data-formats="webp"><div class="formats"><button data-format="webp">WebP</button>
            <button data-format="mp4">MP4</button></div><div class="progress"><div class="bar"><i></i></div></div>
            <button class="cancel"></button><p class="kept"></p></div>`;
        const root = main.firstElementChild, [webp, mp4] = root.querySelectorAll(".formats button");
        const download = m.buildDownload(root, (name, detail) => sent.push(detail), () => ({ side: 256 }));
        download.allow(true);
        webp.click();
        const [{ asked, number }] = sent, file = { name: "a.webp", type: "image/webp", content: "AAAA" };
        const progress = root.querySelector(".progress");
        for (const told of [{ waiting: "Next in a moment." }, { share: 0.5 }, file]) {
            download.receive({ problem: "An old one.", number: number - 1 }); // of one that was given up
            download.receive({ ...told, number });
            said.push([root.querySelector(".kept").textContent, progress.hidden, webp.disabled]);
        }
        return [asked, mp4.hidden, said];
    }"""
    asked, unknown_hidden, said = run("morph/download.js", tell)
    assert asked == {"side": 256, "format": "webp"} and unknown_hidden
    assert said == [
        ["Next in a moment.", False, True],
        ["Making WebP, 256 pixels…", False, True],
        ["Saved a.webp, 0 kB", True, False],
    ]


# ---- what they share ------------------------------------------------------------------------------------------------


def test_of_dear_work_only_the_newest_is_listened_to(run):
    work = """(m) => {
        const sent = [], work = m.buildWork((event, detail) => sent.push([event, detail]), "find", () => {});
        work.begin({ model: "small" });
        const [[, { number }]] = sent;
        const heard = [work.isRunning, work.hears({ number }), work.hears({ number: number - 1 })];
        work.giveUp();
        work.giveUp();
        heard.push(work.isRunning, work.hears({ number }));
        return [heard, sent.map(([event, detail]) => [event, detail?.asked?.model ?? null])];
    }"""
    heard, sent = run("shared/working.js", work)
    assert heard == [True, True, False, False, False]
    assert sent == [["find", "small"], ["give_up", None]]


def test_nothing_is_waited_for_in_silence(run):
    wait = """async (m, gives_up) => {
        const real = window.setTimeout;
        window.setTimeout = (callback, wanted) => real(callback, wanted / 1000);
        let silences = 0;
        const work = m.buildWork(() => {}, "find", () => silences++);
        work.begin({});
        if (gives_up) work.giveUp();
        await new Promise((resolve) => real(resolve, 100));
        window.setTimeout = real;
        return silences;
    }"""
    assert [run("shared/working.js", wait, gives_up) for gives_up in (False, True)] == [1, 0]


# ---- explore --------------------------------------------------------------------------------------------------------


def test_a_critics_mark_is_told_by_how_many_lie_below_it_where_others_marks_are_known(run):
    told = """(m, marks) => { m.knowMarks("known", { generated: [0.1, 0.2, 0.4], real: [0.3, 0.5, 0.9] });
      m.knowMarks("new", {});
      return [...marks.map((mark) => m.standing("known", mark)), m.standing("new", 0.3), m.standing("known", undefined)]
        .map(({ before, percent, after }) => before + percent + after); }"""
    assert run("explore/standing.js", told, [0, 0.3, 0.4, 0.7, 1]) == [
        "above 0 % of its own, 0 % of real", "above 75 % of its own, 0 % of real",
        "above 100 % of its own, 25 % of real", "above 100 % of its own, 75 % of real",
        "above 100 % of its own, 100 % of real", "30 % sure that it is a real picture", "… %",
    ]  # fmt: skip
