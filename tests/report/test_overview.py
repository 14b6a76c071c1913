"""A model's row on the page: what README's table says too, whatever is damaged in its folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gan.metrics.results import save_metrics
from gan.report.card import write_card
from gan.report.overview import read_page, row
from gan.run import RunError, is_run, read_info
from gan.titles import CHAPTERS, STORY, chapter_of

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [folder for folder in sorted((ROOT / "weights").iterdir()) if is_run(folder)]


def told(folder: Path) -> dict:
    return row(folder.name, "A title", folder, read_info(folder))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_shipped_model_is_told_as_in_the_readme(folder):
    shown = told(folder)
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"| [{folder.name}]"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    frechet = shown["figures"][0]
    kind, frechet_cell = f"{shown['kind']}; {shown['source']}", frechet["value"] + r"\*" * shown["seen"]
    assert cells[2:] == [str(shown["size"]), kind, shown["time"], frechet_cell, frechet["real"]]
    assert shown["lead"] and shown["strip"].startswith("data:image/webp;base64,UklGR") and len(shown["moments"]) == 3
    assert shown["moments"][0] == 0 and shown["moments"][-1] == shown["images"]
    assert shown["pages"][0] == "README.md" and shown["chapter"] in STORY
    page = read_page(folder, "README.md")
    assert page["text"].startswith(f"# {folder.name}\n")
    assert set(page["pictures"]) == {"progress.webp", *re.findall(r"\((samples/\d+\.webp)\)", page["text"])}


def test_the_story_tells_of_every_shipped_model_once_and_of_others_last():
    told = [name for names in STORY.values() for name in names]
    assert sorted(told) == [folder.name for folder in SHIPPED]
    assert sorted(["zoo", "a", *reversed(told)], key=chapter_of) == [*told, "a", "zoo"]
    assert CHAPTERS[chapter_of("zoo")[0]] == CHAPTERS[-1] not in STORY


def test_a_folder_that_lacks_or_damages_something_is_told_without_it(run_copy):
    whole = told(run_copy)
    assert whole["images"] == 2000 and whole["strip"] and whole["figures"] == [] and whole["lead"] == ""
    result = {"weights": "", "protocol": {"size": 16}, "generated": {"recall": 0.5}, "real": {}}
    (run_copy / "metrics.json").write_text(
        json.dumps({"format_version": 1, "results": {"16": result}}), encoding="utf-8"
    )
    assert told(run_copy)["figures"] == []  # of other weights
    (run_copy / "metrics.json").write_text("{", encoding="utf-8")
    (run_copy / "progress.webp").write_bytes(b"GIF89a")
    (run_copy / "notes.md").write_bytes(b"\xff\xfe\xff")
    shown = told(run_copy)
    assert (shown["strip"], shown["lead"], shown["figures"], shown["images"]) == ("", "", [], None)
    (run_copy / "metrics.json").unlink()
    (run_copy / "history.csv").unlink()
    shown = told(run_copy)
    assert (shown["time"], shown["moments"], shown["images"]) == ("", [], None)


def test_figures_stand_beside_those_of_real_pictures(run_copy):
    from test_table import result  # one like those of gan.metrics

    save_metrics(run_copy, result(run_copy, 16, 1.25))
    shown = told(run_copy)
    assert shown["figures"] == [
        {"name": "Fréchet distance", "value": "1.250", "real": "0.516", "better": "lower"},
        {"name": "MS-SSIM between pictures", "value": "0.300", "real": "0.250", "better": "as real"},
    ]
    assert shown["judged"] == "5,000 pictures of 16 pixels against the validation split" and shown["seen"] is False


def test_nothing_but_a_models_own_pages_and_pictures_is_read(run_copy, tmp_path):
    notes = "What it promised.\n\n# Tried\n![x](../secret.webp) ![y](samples/0000.webp)"
    (run_copy / "notes.md").write_text(notes, encoding="utf-8")
    (tmp_path / "secret.webp").write_bytes(b"RIFF0000WEBP")
    write_card(run_copy)
    assert told(run_copy)["lead"] == "What it promised."
    assert list(read_page(run_copy, "notes.md")["pictures"]) == ["samples/0000.webp"]
    for page in ("config.json", "../tiny/notes.md", "", None, ["README.md"]):
        with pytest.raises(RunError, match=r"expected one of README\.md, figures\.md, notes\.md"):
            read_page(run_copy, page)
    (run_copy / "notes.md").unlink()
    (run_copy / "notes.md").symlink_to(tmp_path / "secret.webp")
    with pytest.raises(RunError, match=r"tiny has no notes\.md that can be read"):
        read_page(run_copy, "notes.md")
