"""Modules of gan/web by themselves, without a server: states as Python writes them, and texts that stay texts.

Long because modules that all tabs share are imported by one browser.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gan.latent.attributes import FACES as FACES_SLIDERS
from gan.metrics.classifier import load_classifier
from gan.ui.pad import plane
from gan.ui.state import Face, FaceError, OwnDirection
from gan.ui.values import encode_latent
from gan.ui.web import text

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'&amp;`${1}`"
SEEN = "explore/words.js"
STATE, HTML, WORDS = "shared/state.js", "shared/html.js", "shared/words.js"
LATENT = encode_latent(torch.ones(20))
FACES = (
    Face("small"),
    Face("runs/mine", 2**32 - 1, 0.05, {17: -1.25, 3: 0.5, 100: 3}),
    Face("ü + &=#?%~'!*()\"<b>", 7, 1.5, {}, "", {"Œil fermé": 2, "Open mouth": -0.001, "A (b)/c'-": 1}),
    Face("small", latent=LATENT, directions={"~Hat": 1, "Hat": -2}, pad=("move:~Hat", "truncation")),
    Face("small", 7, 0.7, {3: 1.2}, directions={"Zé (b)/c'-": 3}, pad=("z:3", "move:Zé (b)/c'-")),
    Face("small", own=(OwnDirection("Hat (b)", "small", (1, 30), (2,)), OwnDirection("Ü", "a:b,c/%d e", (0,), (5, 6)))),
)


def javascript(face: Face) -> dict:
    """A face as the browser holds it."""
    return json.loads(face.to_json())


# ---- what outlasts a reload -----------------------------------------------------------------------------------------


def test_what_is_remembered_as_a_page_goes_outlasts_it(bare):
    """A writing waits until a drag rests; a page that goes sooner writes what waits."""
    tab = bare({})
    taken = "async () => { window.taken = await import('/shared/remembering.js'); }"
    tab.evaluate(taken)
    tab.evaluate("() => { window.setTimeout = () => 0; }")  # it never rests
    with tab.expect_navigation():
        tab.evaluate("() => { taken.remember('face', [7]); location.reload(); }")
    tab.evaluate(taken)
    assert tab.evaluate("() => taken.remembered('face')") == [7]
    tab.close()


# ---- states ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", FACES, ids=range(len(FACES)))
def test_a_link_is_the_one_that_python_writes(run, face):
    assert run(STATE, "(m, face) => m.toQuery(face)", javascript(face)) == face.to_query()


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("seed", 9, Face("small", 9, 0.5, {3: 1}, "", {"Hat": 1})),
        ("truncation", 0, Face("small", 5, 0, {3: 1}, LATENT, {"Hat": 1})),
        ("z:17", -1.25, Face("small", 5, 0.5, {3: 1, 17: -1.25}, LATENT, {"Hat": 1})),
        ("z:3", 0, Face("small", 5, 0.5, {}, LATENT, {"Hat": 1})),
        ("move:Hat", 0.12345, Face("small", 5, 0.5, {3: 1}, LATENT, {"Hat": 0.123})),
        ("move:~Hat", 2, Face("small", 5, 0.5, {3: 1}, LATENT, {"Hat": 1, "~Hat": 2})),
        ("move:z 3 (yours)", 1, Face("small", 5, 0.5, {3: 1}, LATENT, {"Hat": 1, "z 3 (yours)": 1})),
    ],
)
def test_a_moved_slider_changes_what_its_key_names(run, key, value, expected):
    before = javascript(Face("small", 5, 0.5, {3: 1}, LATENT, {"Hat": 1}))
    asked = [before, key, value]
    [changed, kept] = run(STATE, "(m, [face, key, value]) => [m.change(face, key, value), face]", asked)
    assert Face.from_json(json.dumps(changed)) == expected and kept == before
    assert run(STATE, "(m, [one, other]) => m.same(one, other)", [changed, javascript(expected)])
    assert not run(STATE, "(m, [one, other]) => m.same(one, other)", [changed, before])


@pytest.mark.parametrize("face", [face for face in FACES if face.pad], ids=lambda face: ",".join(face.pad))
def test_the_faces_of_a_pads_plane_are_those_that_python_draws(run, face):
    faces = run("explore/plane.js", "(m, face) => m.planeOf(face)", javascript(face))
    assert [Face.from_json(json.dumps(one)) for one in faces] == plane(face)
    places = run("explore/plane.js", "(m, faces) => faces.map(m.placeOf)", faces)
    assert np.allclose(places, [[x / 4, 1 - y / 4] for y in range(5) for x in range(5)])


def test_an_origin_is_told_in_words(run):
    assert [run(STATE, "(m, face) => m.origin(face)", javascript(face)) for face in FACES] == [
        face.origin for face in FACES
    ]


def test_a_face_and_what_is_new_in_it_are_told_in_words(run):
    told = lambda *faces: run(WORDS, "(m, faces) => m.news(...faces)", list(map(javascript, faces)))  # noqa: E731
    face = Face("small", 5, 0.5, {3: -1}, directions={"Smile": 2, "~Hat": 0.5})
    words = "Picture drawn by small from seed 5: truncation 0.5, Smile +2, Hat +0.5, z 3 −1"
    assert run(WORDS, "(m, face) => m.describe(face)", javascript(face)) == words
    assert told(Face("other", 5), face) == told(Face("small", 4), face) == words
    assert told(face, replace(face, directions={"Smile": 2.5})) == "Smile +2.5, Hat 0"
    assert told(face, replace(face, truncation=1)) == "Truncation 1" and told(face, face) == ""
    assert told(face, Face("small", 5, 0.5)) == "All sliders at 0"
    many = told(face, replace(face, offsets=dict.fromkeys(range(10), 1)))
    assert many == "z 0 +1, z 1 +1, z 2 +1, z 3 +1, z 4 +1, z 5 +1 and 4 more"


def seen(**shares: float) -> dict:
    """What a classifier of attributes tells: a young woman without a beard, but for these."""
    told = dict.fromkeys(load_classifier("celeba").labels, 0.0) | {"No_Beard": 1.0, "Young": 1.0} | shares
    return {"labels": list(told), "probabilities": list(told.values()), "exclusive": False}


def digit(**shares: float) -> dict:
    told = dict.fromkeys("0123456789", 0.0) | {name[1:]: share for name, share in shares.items()}
    return {"labels": list(told), "probabilities": list(told.values()), "exclusive": True}


@pytest.mark.parametrize(
    "what, words",
    [
        (seen(Smiling=0.9, Eyeglasses=0.6, Brown_Hair=0.8, Black_Hair=0.7),
         "a smiling woman with glasses and brown hair: Woman 100 %, Young 100 %, Smile 90 %, Brown hair 80 %"),
        (seen(Male=0.96, Young=0.1, No_Beard=0.2, Wearing_Hat=0.7, Gray_Hair=0.6),
         "an older man with a beard, a hat and gray hair: Man 96 %, Older 90 %, Beard 80 %, Hat 70 %"),
        (seen(Male=0.51, Young=0.4, Bald=0.9, Blond_Hair=0.55),
         "a bald person: Bald 90 %, Older 60 %, Blond hair 55 %, Man 51 %"),
        (digit(_8=0.95, _3=0.05), "an 8: 95 % an 8, 5 % a 3"),
        (digit(_7=0.6, _1=0.4), "perhaps a 7, or a 1: 60 % a 7, 40 % a 1"),
        (digit(_7=1.0), "a 7: 100 % a 7"),
    ],
)  # fmt: skip
def test_what_a_classifier_sees_is_told_in_words(run, what, words):
    assert run(SEEN, "(m, seen) => m.sees(seen)", what).replace("\xa0", " ") == f"The classifier sees {words}."
    assert run(SEEN, "(m, seen) => m.inWords(seen)", what) == words.partition(":")[0]


def test_what_a_slider_moved_besides_its_own_is_told(run):
    def told(before: Face, now: Face, was: dict, is_: dict) -> str:
        script = "(m, [one, other, was, is]) => m.sideEffects(m.changed(one, other), was, is)"
        return run(SEEN, script, [javascript(before), javascript(now), was, is_]).replace("\xa0", " ")

    plain, smiling = Face("small"), Face("small", directions={"Smile": 1})
    was, is_ = seen(High_Cheekbones=0.21, No_Beard=0.9), seen(Smiling=1, High_Cheekbones=0.63, No_Beard=0.6, Blurry=1)
    assert told(plain, smiling, was, is_) == "Smile +1 also moved High cheekbones 21 → 63 %, Beard 10 → 40 %."
    assert told(smiling, plain, is_, was) == "Smile −1 also moved High cheekbones 63 → 21 %, Beard 40 → 10 %."
    assert told(plain, smiling, was, was) == "Smile +1 moved nothing else that it knows."
    principal = replace(smiling, directions={"SeFa 1": -0.5})
    assert told(plain, principal, was, seen()).startswith("SeFa 1 −0.5 moved High cheekbones 21 → 0 %")
    both = replace(smiling, truncation=0.5)
    assert told(plain, both, seen(), is_).startswith("These sliders also moved High cheekbones 0 → 63 %")
    digits = Face("small", directions={"Digit 3": 1.5})
    assert told(plain, digits, digit(_8=1.0), digit(_3=1.0)) == "Digit 3 +1.5 also moved digit 8 100 → 0 %."
    other = "(m, [one, other]) => m.changed(one, other)"
    assert run(SEEN, other, [javascript(plain), javascript(Face("small", 1))]) is None


def test_the_sliders_own_labels_are_pythons(run):
    told = run(SEEN, "(m) => m.TOLD")
    assert set(told) <= set(load_classifier("celeba").labels)
    assert {(one["slider"], label, one.get("flip", False)) for label, one in told.items() if "slider" in one} == {
        (name, label, reverse and label != "Young") for name, label, reverse in FACES_SLIDERS
    }


ODD = [
    "", "{", "[]", "null", '"text"', "{}", '{"model": "small", "seed": 1}',
    *(json.dumps({"model": "small", "seed": 1, "truncation": 1} | odd) for odd in (
        {"model": ""}, {"model": "m" * 201}, {"model": 5}, {"model": "\ud800"}, {"seed": -1}, {"seed": 1.5},
        {"seed": 2.0}, {"seed": 2**32}, {"seed": "7"}, {"seed": True}, {"truncation": 1.6}, {"truncation": "1"},
        {"truncation": 0.12345}, {"truncation": None}, {"offsets": [1]}, {"offsets": {"1024": 1}},
        {"offsets": {"x": 1}}, {"offsets": {"-1": 1}}, {"offsets": {"2": 3.1}}, {"offsets": {"2": 0.0004, "1": -3}},
        {"latent": "A"}, {"latent": "AAA"}, {"latent": "AHw"}, {"latent": "AEk"}, {"latent": "AHo"}, {"latent": "é"},
        {"latent": "A" * 4100}, {"directions": {"": 1}}, {"directions": {"~": 1}}, {"directions": {"<b>": 1}},
        {"directions": {" Hat": 1}}, {"directions": {"Zé (b)/c'-": 3, "~Hat": -3, "Ä": 0}}, {"directions": {"H": 3.01}},
        {"directions": {f"d{number}": 1 for number in range(65)}}, {"own": 5}, {"own": [1]}, {"own": [{"name": "H"}]},
        *({"pad": pad} for pad in (
            5, "z:1", None, {}, ["z:1"], ["z:1", "z:1"], ["z:1", "z:2", "z:3"], ["z:01", "z:2"], ["z:1024", "z:2"],
            ["z:", "z:2"], ["z:1", 2], ["seed", "z:1"], ["move:", "z:1"], ["move:~", "z:1"], ["move:H<", "z:1"],
            ["move:-", "z:1"], ["z:٣", "z:1"], ["truncation", "move:~é"],
        )),
        *({"own": own} for own in (
            [{"name": " H<a>t ", "model": "small", "has": [3, 1, 3], "lacks": [2]}],
            [{"name": "Hat", "model": "small", "has": [1], "lacks": [1]}],
            [{"name": "Hat", "model": "small", "has": [], "lacks": [1]}],
            [{"name": "Hat", "model": "small", "has": list(range(33)), "lacks": [40]}],
            [{"name": "Hat", "model": "small", "has": [0], "lacks": [1]}] * 2,
            [{"name": f"Hat {number}", "model": "small", "has": [0], "lacks": [1]} for number in range(5)],
            [{"name": "e\u0301" * 41, "model": "small", "has": [0], "lacks": [1]}],
            [{"name": "-", "model": "small", "has": [0], "lacks": [1]}],
        )),
    )),
]  # fmt: skip


def test_a_stranger_s_face_is_read_as_python_reads_it_or_refused(run):
    texts = [face.to_json() for face in FACES] + ODD + ["[" * 30_000, " " * 40_001]
    reading = """(m, texts) => texts.map((text) => {
        try { return JSON.stringify(m.readFace(text)); }
        catch (error) { return error.constructor.name === "FaceError" ? null : String(error); }
    })"""
    for given, found in zip(texts, run("shared/reading.js", reading, texts), strict=True):
        try:
            wanted = Face.from_json(given).to_json()
        except FaceError:
            wanted = None
        assert (found and json.loads(found)) == (wanted and json.loads(wanted)), given[:200]


# ---- texts ----------------------------------------------------------------------------------------------------------


def test_what_is_put_into_html_stays_text(run):
    filled = """(m, text) => {
        const main = document.querySelector("main"), parts = [text, m.html`<i>${text}</i>`];
        m.fill(main, m.html`<p title="${text}">${parts}${null}${undefined}${false}${0}</p>`);
        const p = main.firstChild;
        return [main.childNodes.length, p.title, p.textContent, p.querySelectorAll("*").length];
    }"""
    assert run(HTML, filled, HOSTILE) == [1, HOSTILE, HOSTILE * 2 + "0", 1]


def test_the_picture_of_a_hostile_model_holds_nothing_but_text(run):
    face = Face(HOSTILE, 3, offsets={1: 1})
    drawn = {"picture": "data:,", "score": 0.25, "milliseconds": 1.24, "about": {"size": 16, "numbers": 20}}
    shown = """(m, [face, drawn, note]) => {
        const main = document.querySelector("main");
        m.showFace(main, face, drawn, true, note);
        return [main.querySelectorAll("img, script").length, main.querySelector("img").alt,
            main.querySelector(".note").textContent, main.querySelector(".facts").innerText.replace(/\\s+/g, " ")];
    }"""
    pictures, alt, note, facts = run("explore/picture.js", shown, [javascript(face), drawn, HOSTILE])
    assert (pictures, note) == (1, HOSTILE)
    assert alt == f"Picture drawn by {HOSTILE} from seed 3: z 1 +1"
    assert "25 % sure" in facts and "16 × 16 pixels from 20 numbers 1.2 ms a frame" in facts


def test_the_picture_changes_in_its_place_and_says_what_is_not_known(run):
    """The image stays the same element: a new one would flash."""
    shown = """(m, [face, drawn]) => {
        const main = document.querySelector("main");
        m.showFace(main, face, drawn, true, "a note");
        const image = main.querySelector("img");
        m.showFace(main, face, {...drawn, about: {size: 8, numbers: 9, training: true}}, false);
        const note = main.querySelector(".note"), facts = main.querySelector(".facts").innerText.replace(/\\s+/g, " ");
        return [image === main.querySelector("img"), image.width, note.hidden, note.textContent, facts,
            main.querySelector(".pixels") !== null, {...main.querySelector(".picture").dataset}];
    }"""
    drawn = {"picture": "data:,", "score": None, "milliseconds": 1, "about": {"size": 16, "numbers": 20}}
    face = Face("small", 5, latent=LATENT)
    same, width, hidden, note, facts, pixels, data = run("explore/picture.js", shown, [javascript(face), drawn])
    assert (same, width, hidden, note, pixels) == (True, 8, True, "", True)
    assert "no critic that could judge" in facts and "still training" in facts
    assert (data["query"], data["seed"]) == (face.to_query(), "")


def test_a_notice_is_text_with_code_in_it(run):
    shown = """(m, text) => {
        const main = document.querySelector("main");
        m.showNotice(main, text);
        return [main.querySelectorAll("img").length, main.querySelector("[role=alert]").textContent,
            [...main.querySelectorAll("code")].map((code) => code.textContent)];
    }"""
    told = run("explore/picture.js", shown, "no <img src=x>: `python train.py <b>` makes one")
    assert told == [0, "no <img src=x>: python train.py <b> makes one", ["python train.py <b>"]]


def test_a_direction_of_a_hostile_name_is_listed_as_text_and_removed_by_it(run):
    own = {"model": HOSTILE, "made": [{"name": HOSTILE, "has": 2, "lacks": 1}], "elsewhere": 3, "full": True, "most": 4}
    shown = """(m, [template, own]) => {
        const main = document.querySelector("main"), triggered = [];
        main.innerHTML = template;
        m.mount({element: main, trigger: (...event) => triggered.push(event), props: {value: own}, watch() {}});
        main.querySelector("[data-remove]").click();
        return [main.querySelectorAll("img, script").length, main.querySelector("li b").textContent, triggered,
            main.querySelector(".told").textContent, main.querySelector("input").disabled];
    }"""
    pictures, name, triggered, told, disabled = run("explore/maker.js", shown, [text("explore/maker.html"), own])
    assert (pictures, name, disabled) == (0, HOSTILE, True)
    assert triggered == [["remove", {"name": HOSTILE}]]
    assert told == "There are 4 sliders of yours (3 of them on another model): remove one to make another."


def test_of_what_is_moved_only_the_value_is_written_while_it_is_moved_on(run):
    """New elements would let the browser lay out the whole page again, while the picture waits to be shown."""
    faces = [javascript(Face("small", offsets=offsets)) for offsets in ({3: 1}, {3: 1.5}, {3: 1.5, 4: -1}, {4: -1})]
    found = run(
        "explore/moved.js",
        """async (m, faces) => {
            const { tell } = await import("/shared/telling.js");
            const element = document.querySelector("main");
            element.innerHTML = '<p class="own"><span></span> <button data-back></button></p><div class="chips"></div>';
            m.mount({ element, trigger() {} });
            let first = null;
            return faces.map((face) => {
                tell("face-moved", JSON.stringify(face));
                const chips = [...element.querySelectorAll("[data-show]")];
                const isKept = chips[0] === first;
                first = chips[0];
                return [chips.map((chip) => chip.textContent), isKept];
            });
        }""",
        faces,
    )
    assert found == [
        [["z 3 +1"], False],
        [["z 3 +1.5"], True],
        [["z 3 +1.5", "z 4 −1"], False],
        [["z 4 −1"], False],
    ]


def test_the_grid_offers_faces_and_ends_at_the_last_seed(run):
    shown = """async (m, face) => {
        const { listen, tell } = await import("/shared/telling.js");
        const main = document.querySelector("main"), asked = [], picked = [];
        const grid = async (wanted) => {
            asked.push(wanted.start);
            return {start: wanted.start, last: 2 ** 32 - 24, size: 16, pictures: Array(24).fill("data:,")};
        };
        const settled = () => new Promise((resume) => setTimeout(resume, 50));
        tell("face-moved", JSON.stringify(face)); // whoever listens later is told the last
        m.mount({element: main, server: {grid}});
        listen("face-picked", (seed) => picked.push(seed));
        picked.length = 0;
        await settled();
        const words = main.querySelector("p").textContent, marks = main.querySelectorAll(".marks button").length;
        main.querySelector("[data-seed='1']").click();
        main.querySelector("[aria-label='Faces after these']").click();
        await settled();
        const disabled = [...main.querySelectorAll(":disabled")].map((button) => button.getAttribute("aria-label"));
        return [asked, picked, words, marks, disabled];
    }"""
    face = {"model": "m", "seed": 5, "truncation": 1}
    asked, picked, words, marks, disabled = run("explore/grid.js", shown, face)
    assert (asked, picked, marks, disabled) == ([0, 24], [1], 48, [])
    assert words.startswith("Seeds 0 to 23, unchanged.")


@pytest.mark.parametrize(("seed", "start", "off"), [(5, 0, "before"), (2**32 - 1, 2**32 - 24, "after")])
def test_at_its_ends_the_grid_cannot_be_turned_further(run, seed, start, off):
    shown = """async (m, seed) => {
        const { tell } = await import("/shared/telling.js"), main = document.querySelector("main");
        const grid = async ({start}) => ({start, last: 2 ** 32 - 24, size: 16, pictures: Array(24).fill("data:,")});
        tell("face-moved", JSON.stringify({model: "m", seed, truncation: 1})); // whoever listens later is told the last
        m.mount({element: main, server: {grid}});
        await new Promise((resume) => setTimeout(resume, 50));
        return [main.querySelector("[data-seed]").dataset.seed,
            [...main.querySelectorAll(":disabled")].map((button) => button.getAttribute("aria-label"))];
    }"""
    assert run("explore/grid.js", shown, seed) == [str(start), [f"Faces {off} these"]]


# ---- between the parts of the page ----------------------------------------------------------------------------------


def test_whoever_listens_later_is_told_the_last(run):
    told = """(m) => {
        const heard = [];
        m.tell("news", 1);
        m.tell("news", 2);
        m.listen("news", (detail) => heard.push(detail));
        m.listen("other news", (detail) => heard.push(detail));
        m.tell("news", 3);
        return heard;
    }"""
    assert run("shared/telling.js", told) == [2, 3]


def test_a_value_that_came_before_the_module_is_not_lost_and_none_comes_twice(run):
    followed = """(m) => {
        const heard = [], props = {value: "before"};
        let changed;
        m.follow({props, watch: (name, callback) => { changed = callback; }}, (value) => heard.push(value));
        changed(); // Gradio tells of the same one
        props.value = "after";
        changed();
        changed(); // a value again is one, from now on
        return heard;
    }"""
    assert run("shared/following.js", followed) == ["before", "after", "after"]
    nothing = """(m) => {
        const heard = [];
        m.follow({props: {value: ""}, watch() {}}, (value) => heard.push(value));
        return heard;
    }"""
    assert run("shared/following.js", nothing) == []
