"""The Train tab in a real browser: a real, short training, begun, watched, stopped, gone on with and killed."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from serving import serve

from gan.machine import is_alive
from gan.ui import training_process
from gan.ui.library import Library
from gan.ui.trainings import Trainings

TESTS = Path(__file__).resolve().parents[1]
LONG = 120_000  # milliseconds: a process imports torch first
NAME = "andreipop-celeba32-drawn-faces-64-1"


@pytest.fixture
def trainings(tmp_path, monkeypatch) -> Trainings:
    monkeypatch.setattr(training_process, "_LOWEST", 0)  # beside other tests it would hardly get on
    monkeypatch.setattr(training_process, "PROGRAM", TESTS / "slow_training.py")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    return Trainings(tmp_path / "runs")


def sheet(page: Page) -> int:
    return int(page.locator(".train .sheet").first.get_attribute("data-sheet") or -1)


def later_sheet(page: Page) -> None:
    number = sheet(page)
    page.wait_for_function(
        "(number) => +document.querySelector('.train .sheet').dataset.sheet > number", arg=number, timeout=LONG
    )


def open_train(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator(".train .pictures img")).to_have_count(25)


def test_a_training_from_the_first_click_to_the_last(page, trainings, tmp_path):
    library = Library([tmp_path / "weights", trainings.runs])
    (tmp_path / "text.zip").write_bytes(b"no zip at all")
    with serve(library, trainings, ["drawn:64"]) as site:
        open_train(page, site.url)
        page.locator(".train .file").set_input_files(tmp_path / "text.zip")
        expect(page.locator(".train .told")).to_contain_text("text.zip is no zip, or a damaged one")
        page.get_by_label("Recipe").select_option("andreipop-celeba32")
        expect(page.locator(".train figcaption").first).to_contain_text("The first 25 pictures, 32 × 32 pixels")
        page.get_by_text("More of the recipe").click()
        for label, value in (("Batch", "8"), ("Width", "4"), ("Epochs", "1000")):
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name="Start training").click()

        row = page.locator(f".train li[data-name='{NAME}']")
        expect(row).to_have_attribute("data-state", "running", timeout=LONG)
        later_sheet(page)  # its pictures change by themselves
        expect(row).to_contain_text(" a second")
        assert page.locator(".train .plot path.curve").count() == 4
        process = trainings.get(NAME).process

        page.reload()  # it is where it was, and goes on
        expect(row).to_have_attribute("data-state", "running")
        later_sheet(page)
        row.get_by_role("button", name="Stop").click()
        expect(row).to_have_attribute("data-state", "stopped", timeout=LONG)
        assert not is_alive(process)

        row.get_by_role("link", name="Explore").click()
        expect(page.locator("#stage img")).to_have_attribute("alt", re.compile(NAME), timeout=LONG)

        open_train(page, site.url)
        row.get_by_role("button", name="Continue").click()
        expect(row).to_have_attribute("data-state", "running", timeout=LONG)
        later_sheet(page)
        os.killpg(trainings.get(NAME).process["pid"], signal.SIGKILL)  # behind the page's back
        expect(row).to_have_attribute("data-state", "died", timeout=LONG)
        expect(row).to_contain_text("Its process was ended from outside, or the machine was.")
        expect(row.locator("pre")).to_contain_text("andreipop-celeba32 (cpu")

        with page.expect_download() as kept:
            row.get_by_role("button", name="Zip").click()
        assert kept.value.suggested_filename == f"{NAME}.zip"
        page.once("dialog", lambda dialog: dialog.accept())
        row.get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)
    assert [path for path in trainings.runs.rglob("*") if path.is_file() and path.name != "lock"] == []
