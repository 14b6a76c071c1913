"""Whoever comes, and with whatever: every width, a phone, and what axe-core finds for other eyes and ears."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile

import pytest
from playwright.sync_api import expect
from serving import cut_off

WIDTHS = (320, 360, 390, 600, 768, 834, 960, 1024, 1280, 1920)
LEAST_TRACK = 140  # pixels
TABS = ("Explore", "Morph", "Photo", "Replay", "Models")
AXE = "axe-core@4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
# Of all that axe returns the smallest part: selectors of all that is right would take longer than the rules.
FIND = """(rules) => axe.run({ exclude: "footer" }, { runOnly: rules, resultTypes: ["violations"] })
  .then((found) => found.violations)"""


@pytest.fixture(scope="module")
def opened(context, site):
    """The page, opened once for the tests of this file that only look."""
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 844})
    page.goto(site.url)
    page.wait_for_selector("#stage .picture img[src]", state="attached")
    page.wait_for_selector("#grid .cell")
    yield page
    page.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The script of axe-core, which npm brings."""
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    done = npm and subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, timeout=120)
    if not done or done.returncode:
        reason = f"{AXE} cannot be had from npm"
        if os.environ.get("CI") and npm:
            pytest.fail(reason)
        pytest.skip(reason)
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        return package.extractfile("package/axe.min.js").read().decode()


def test_every_slider_can_be_dragged_and_every_tab_reached_at_every_width(opened):
    for width in WIDTHS:
        opened.set_viewport_size({"width": width, "height": 844})
        opened.evaluate("new Promise(requestAnimationFrame)")
        tracks = opened.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll("#explore input[type=range]")]
                 .filter((track) => track.checkVisibility())
                 .map((track) => [track.ariaLabel, track.getBoundingClientRect().width]))"""
        )
        assert len(tracks) > 2
        assert not {name: track for name, track in tracks.items() if track < LEAST_TRACK}, width
        tabs = opened.locator("#tabs [role=tab]")
        assert tabs.count() >= len(TABS)
        for tab in tabs.all():
            tab.scroll_into_view_if_needed()
            expect(tab).to_be_in_viewport(ratio=0.99)  # their places are fractions of a pixel
        assert not cut_off(opened), width


def test_on_a_phone_the_first_slider_is_in_the_first_screen_and_the_picture_leaves_room(opened):
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.evaluate("scrollTo(0, 0)")
    first = opened.locator("#sliders input[type=range]").first.bounding_box()
    assert first["y"] + first["height"] <= 844
    assert opened.locator("#stage").bounding_box()["height"] <= 0.4 * 844
    assert opened.evaluate("getComputedStyle(document.querySelector('#sliders input[type=number]')).fontSize") == "16px"
    opened.set_viewport_size({"width": 844, "height": 390})
    opened.evaluate("scrollTo(0, 0)")
    expect(opened.locator("#stage .picture")).to_be_in_viewport(ratio=1)


def test_whatever_is_pressed_is_large_enough_for_a_finger(opened):
    """24 px both ways, as WCAG 2.2 AA asks; a slider is dragged along its track, a choice opens by its whole box."""
    opened.set_viewport_size({"width": 390, "height": 844})
    for tab in opened.locator("#tabs [role=tab]").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        small = opened.evaluate(
            """() => [...document.querySelectorAll("#tabs :is(button, summary, select, input)")]
                 .filter((one) => one.type !== "range" && one.role !== "combobox")
                 .filter((one) => one.checkVisibility() && !one.closest(".aloud"))
                 .map((one) => [(one.type === "radio" || one.type === "checkbox") && one.closest("label") || one, one])
                 .map(([box, one]) => [box.getBoundingClientRect(), one])
                 .filter(([{ width, height }]) => width && height && Math.min(width, height) < 23.9)
                 .map(([{ width, height }, one]) => `${width} x ${height}: ${one.outerHTML.slice(0, 120)}`)"""
        )
        assert not small, tab.inner_text()
    opened.get_by_role("tab", name="Explore").click()


def test_nothing_is_painted_over_the_picture_that_stays_in_view(opened):
    opened.set_viewport_size({"width": 390, "height": 844})
    for top in range(0, 1200, 150):
        opened.evaluate("top => scrollTo(0, top)", top)
        over = opened.evaluate(
            """() => {
                 const { left, top, width, height } = document.querySelector("#stage .picture").getBoundingClientRect();
                 return [0.1, 0.5, 0.9].map((at) => document.elementFromPoint(left + at * width, top + at * height))
                   .filter((there) => !there?.closest("#stage")).map((there) => there?.outerHTML.slice(0, 80));
               }"""
        )
        assert not over, top


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_of_ours(page, site, axe, theme):
    found = []
    page.emulate_media(color_scheme=theme)
    page.goto(f"{site.url}/?__theme={theme}&pad=truncation,z:3")
    page.wait_for_selector("#grid .cell")
    page.wait_for_selector("#pad .thumbnails img")
    page.evaluate(axe)
    for tab in page.locator("#tabs [role=tab]").all_text_contents():
        page.get_by_role("tab", name=tab.strip()).click()
        if tab.strip() == "Morph":
            page.wait_for_selector(".morph .faces li")
        if tab.strip() == "Models":
            page.locator("#models-viewer .story summary").first.click()
            page.wait_for_selector("#models-viewer .card h4")
        if tab.strip() == "Replay":
            page.locator(".through .draw").click()
            page.wait_for_selector(".through .tiles button")
        for width in (1280, 320) if theme == "light" else (1280,):  # no width has colours of its own
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_timeout(250)  # colours have moved on to what they will be
            rules = RULES if theme == "light" else COLOURS  # nothing else differs
            violations = page.evaluate(FIND, rules)
            found += [
                f"{tab} {width}: {violation['id']} {node['target']}"
                for violation in violations
                for node in violation["nodes"]
            ]
    assert not found


def test_each_tab_says_in_plain_words_what_it_is_by_key_too(opened):
    errors = []
    opened.on("pageerror", lambda error: errors.append(error))
    opened.set_viewport_size({"width": 1280, "height": 844})
    for tab, word in zip(TABS, ("Truncation", "Arithmetic", "PSNR", "D(G(z))", "Fréchet distance"), strict=True):
        opened.get_by_role("tab", name=tab, exact=True).click()
        asked = opened.locator(".what summary:visible")
        expect(asked).to_have_count(1)
        told = asked.locator("xpath=..").get_by_text(word).first
        expect(told).to_be_hidden()
        asked.press("Enter")
        expect(told).to_be_visible()
        asked.press("Enter")
    opened.get_by_role("tab", name=TABS[0]).click()
    assert not errors
