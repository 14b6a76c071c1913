"""Morph, Photo and Replay begin with the model that Explore shows, however soon a visitor opens them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

CHOICES = {"Morph": "Model", "Photo": "Model", "Replay": "Run"}


def chosen(page, tab: str):
    return page.get_by_label(CHOICES[tab], exact=True).locator("visible=true")


@pytest.mark.parametrize("tab", CHOICES)
def test_a_tab_that_is_opened_before_the_first_face_waits_for_the_links_model(page, site, tab):
    waiting = []
    page.route("**/gradio_api/run/**", lambda route: waiting.append(route))  # nothing is answered
    page.goto(f"{site.url}/?model=runs/tiny")
    page.get_by_role("tab", name=tab).click()
    expect(chosen(page, tab)).to_be_visible()
    page.wait_for_timeout(300)  # a tab has noticed that it is in view
    first, *others = waiting
    page.route("**/gradio_api/run/**", lambda route: route.continue_())
    first.continue_()
    page.wait_for_selector("#stage .picture img", state="attached")  # of the link's model
    for route in others:
        route.continue_()
    expect(chosen(page, tab)).to_have_value("runs/tiny")
