"""Wander: the walk by itself, and on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from serving import show

from gan.ui.state import Face

WALK = """(m, n) => {
    const model = {z_dim: 32, z_distribution: "normal"}, start = new Float32Array(32).fill(1);
    let seed = 0;
    const step = m.wanderer(model, start, () => (seed += 7) / 2 ** 32);
    const walked = [start, ...Array.from({length: n}, () => step(0.1))], norm = (z) => Math.hypot(...z);
    const angle = (a, b) => Math.acos(a.reduce((sum, one, at) => sum + one * b[at], 0) / (norm(a) * norm(b)));
    return {steps: walked.slice(1).map((z, at) => angle(walked[at], z)), far: angle(start, walked.at(-1))};
}"""


def test_the_walk_has_an_even_pace_through_all_faces(run):
    walked = run("latent/wandering.js", WALK, 400)  # 12 radians: through some seven faces
    assert all(0.01 < step < 0.0302 for step in walked["steps"])
    assert sorted(walked["steps"])[40] > 0.0299  # shorter alone where the way turns
    assert walked["far"] > 0.5


@pytest.fixture
def page(staying):
    return staying


def visit(page, site, face: Face) -> None:
    if not page.url.startswith(site.url):
        page.goto(site.url)
        page.wait_for_selector("#stage .wander")
    show(page, face)


def latent(page) -> str:
    return page.evaluate("JSON.parse(document.querySelector('#stage [data-face]').dataset.face).latent")


def test_a_face_wanders_until_a_key_or_a_tap_and_is_taken_over(page, site):
    visit(page, site, Face("small", 5, offsets={3: 1}))
    button = page.locator("#stage .wander")
    for stop in (lambda: page.keyboard.press("x"), lambda: page.click("#header h1"), button.click):
        before = latent(page)
        button.click()
        page.wait_for_function(
            "before => JSON.parse(document.querySelector('#stage [data-face]').dataset.face).latent !== before",
            arg=before,
        )
        stop()
        expect(button).to_have_attribute("aria-pressed", "false")
        page.wait_for_timeout(300)
        stopped = latent(page)
        page.wait_for_timeout(300)
        assert stopped and latent(page) == stopped
    page.wait_for_function(f"location.search.includes('latent={stopped}') && location.search.includes('z=3:1')")


def test_where_less_motion_is_wished_for_it_is_a_single_step(page, site):
    page.emulate_media(reduced_motion="reduce")
    visit(page, site, Face("small", 5))
    page.click("#stage .wander")
    page.wait_for_function("JSON.parse(document.querySelector('#stage [data-face]').dataset.face).latent")
    first = latent(page)
    page.wait_for_timeout(300)
    assert latent(page) == first
    expect(page.locator("#stage .wander")).to_have_attribute("aria-pressed", "false")
