"""Morph, Photo and Replay begin with the model that Explore shows, however soon a visitor opens them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from gan.report.brief import brief

CHOICES = {"Morph": "Model", "Photo": "Model", "Replay": "Run"}


def chosen(page, tab: str):
    return page.get_by_label(CHOICES[tab], exact=True).locator("visible=true")


@pytest.mark.parametrize("tab", CHOICES)
def test_a_tab_that_is_opened_before_the_first_face_waits_for_the_links_model(page, site, tab):
    device = page.context.new_cdp_session(page)  # routes of Playwright's would take all files out of no cache
    waiting = []
    device.on("Fetch.requestPaused", lambda request: waiting.append({"requestId": request["requestId"]}))
    device.send("Fetch.enable", {"patterns": [{"urlPattern": "*/gradio_api/run/*"}]})  # nothing is answered
    page.goto(f"{site.url}/?model=runs/tiny")
    page.get_by_role("tab", name=tab).click()
    expect(chosen(page, tab)).to_be_visible()
    page.wait_for_timeout(300)  # a tab has noticed that it is in view
    device.send("Fetch.continueRequest", waiting[0])
    page.wait_for_selector("#stage .picture img", state="attached")  # of the link's model
    device.send("Fetch.disable")  # and the others are answered
    expect(chosen(page, tab)).to_have_value("runs/tiny")
    device.detach()


def test_the_card_beside_a_choice_follows_it_whoever_chooses(page, site):
    """The visitor, a link, undo, and Explore for the other tabs; the server is asked once for all of it."""
    told = {e.name: brief(e.name, e.folder, e.info) for e in site.library.entries()}
    asked = []
    page.on("request", lambda request: "models_brief" in (request.post_data or "") and asked.append(request))

    def shows(choice: str, model: str) -> None:
        card = page.locator(f"#{choice}-card .brief")
        expect(card).to_have_text(told[model]["line"])
        assert card.locator("img").get_attribute("src") == told[model]["picture"]
        assert card.locator("img").get_attribute("alt") == ""

    def choose(choice: str, model: str) -> None:
        page.locator(f"#{choice} input").click()
        page.locator(f"#{choice}").get_by_role("option", name=model).click()
        shows(choice, model)

    page.goto(f"{site.url}/?model=runs/tiny")
    shows("model", "runs/tiny")
    choose("model", "small")
    page.locator("#tools [data-step=undo]").click()
    shows("model", "runs/tiny")
    for tab, choice in (("Morph", "morph-model"), ("Photo", "photo-model"), ("Replay", "replay-run")):
        page.get_by_role("tab", name=tab).click()
        shows(choice, "runs/tiny")
        choose(choice, "small")
    expect(page.locator("#replay-second-card .brief")).to_be_empty()
    choose("replay-second", "runs/tiny")
    shows("replay-run", "small")
    assert len(asked) == 1


def test_a_tab_whose_script_comes_late_begins_then(page, site):
    held, free = [], set()

    def hold(route) -> None:
        folder = route.request.url.split("/")[-2]
        held.append((folder, route)) if folder not in free else route.continue_()

    page.route(re.compile(r"/web/\w+/(morph|photo|replay)/"), hold)
    page.goto(f"{site.url}/?model=runs/tiny")
    page.wait_for_selector("#stage .picture img")
    begun = {"Morph": ".strip button >> nth=0", "Photo": ".size:text('16')", "Replay": ".sheet[data-sheet='11']"}
    for tab, sign in begun.items():
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        scripts = [route for folder, route in held if folder == tab.lower()]
        assert scripts and chosen(page, tab).input_value() == ""
        free.add(tab.lower())
        for route in scripts:
            route.continue_()
        expect(chosen(page, tab)).to_have_value("runs/tiny")
        expect(page.locator(f"#{tab.lower()}-viewer {sign}")).to_be_attached()


def test_a_page_has_all_its_parts_before_a_server_with_other_files_takes_the_place_of_its_own(page, site):
    page.goto(site.url)
    page.wait_for_selector("#grid img")
    page.wait_for_load_state("networkidle")
    refused = []
    page.route("**/web/**", lambda route: refused.append(route.request.url) or route.fulfill(status=404))
    for tab in CHOICES:
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(f"#{tab.lower()}-viewer")).not_to_contain_text("did not load")
        expect(chosen(page, tab)).not_to_have_value("")  # its viewer has told the server that it is open
    assert not refused
