"""The tables of models and presets: facts, figures of one classifier side by side, a strip of samples."""

from __future__ import annotations

import re
import shutil

import pytest
from PIL import Image

from gan import run
from gan.__main__ import main
from gan.metrics.results import save_metrics
from gan.models import Generator, count_parameters
from gan.presets import PRESETS
from gan.report.facts import duration
from gan.report.table import write_tables
from gan.run import RunError
from gan.weights import weights_hash

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def result(folder, size, frechet, hash="abc", task="celeba"):
    protocol = {
        "images": 5000, "seeds": "0 to 4999", "truncation": 1.0, "size": size, "held_out": "the validation split",
        "extractor": {"task": task, "hash": hash},
    }  # fmt: skip
    return {
        "weights": weights_hash(folder),
        "protocol": protocol,
        "generated": {"frechet_distance": frechet, "ms_ssim": 0.3},
        "real": {"frechet_distance": 0.5 + size / 1000, "ms_ssim": 0.25},
    }


@pytest.fixture
def models(tiny_run, tmp_path):
    """Two models of 16 pixels, in a folder beside the README; and classifiers, which are no model."""
    root = tmp_path / "weights"
    for name in ("one", "two"):
        shutil.copytree(tiny_run, root / name)
    (root / "classifiers").mkdir()
    (root / "classifiers" / "celeba.safetensors").write_bytes(b"")
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold table\n{END}\nafter\n", encoding="utf-8")
    return root


def table(models):
    readme = models.parent / "README.md"
    write_tables(readme, models)
    return readme.read_text(encoding="utf-8")


def test_every_model_with_its_facts_between_the_marks(models):
    text = table(models)
    assert text.startswith(f"before\n{BEGIN}\n| model |") and text.endswith(f"|\n{END}\nafter\n")
    assert "old table" not in text and "classifiers" not in text
    row = next(line for line in text.splitlines() if line.startswith("| [two]"))
    assert "(weights/two/README.md) 16 px" in row and "| 2,000 |" in row and re.search(r"\d (seconds|minutes), ", row)
    assert 'src="weights/two/strip.webp"' in row
    assert Image.open(models / "two" / "strip.webp").size == (8 * 64, 64)  # 16 pixels, four times
    assert table(models) == text


def test_figures_real_ones_and_a_common_size(models):
    one, two = models / "one", models / "two"
    save_metrics(one, result(one, 16, 7.0))
    save_metrics(one, result(one, 12, 6.0))
    save_metrics(two, result(two, 16, 9.0))
    text = table(models)
    assert "| time | Fréchet | MS-SSIM |\n" in text  # 12 px: of one model only, nothing to compare
    save_metrics(two, result(two, 12, 8.0))
    text = table(models)
    assert "| time | Fréchet | MS-SSIM | Fréchet at 12 px |\n" in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    cells = {row[0][:6]: row[5:] for row in rows}
    assert cells["[one]("] == ["7.000", "0.300", "6.000"] and cells["[two]("] == ["9.000", "0.300", "8.000"]
    assert cells["*real "][:2] == ["0.516", "0.250"]
    assert "celeba classifier abc, which is not FID" in text


def test_more_pixels_than_the_classifier_sees_are_told_by_their_finest_level(models):
    one = models / "one"
    small, full = result(one, 12, 6.0), result(one, 16, 0.0)
    for figures in (full["generated"], full["real"]):
        del figures["frechet_distance"]
    for found, finest in ((small, 1.0), (full, 9.0)):
        found["generated"]["sliced_wasserstein_finest"] = finest
        found["real"]["sliced_wasserstein_finest"] = finest / 2
    del full["protocol"]["extractor"]
    full["protocol"] |= {"data": "celeba128", "images": 442}
    save_metrics(one, full)
    save_metrics(one, small)
    text = table(models)
    row = next(line for line in text.splitlines() if line.startswith("| [one]"))
    assert "one/README.md) 16 px" in row and row.endswith("| 6.000 | 9.00 at 16 px | 0.300 |")
    assert "| *real pictures, 12 px* |  |  |  |  | 0.512 | 0.50 | 0.250 |" in text
    assert "| *real pictures, 16 px* |  |  |  |  |  | 4.50 | 0.250 |" in text
    assert "judged at 12, reduced as the real pictures were" in text and "442 pictures against" in text


def test_figures_of_two_classifiers_are_not_in_one_table(models):
    one, two = models / "one", models / "two"
    save_metrics(one, result(one, 16, 7.0))
    save_metrics(two, result(two, 16, 9.0, hash="other", task="mnist"))
    text = table(models)
    assert text.count("| model |") == 2 and text.index("[one]") < text.index("which is not FID") < text.index("[two]")


def test_figures_of_other_weights_are_left_out(models, caplog):
    one = models / "one"
    save_metrics(one, result(one, 16, 7.0))
    shutil.copy(one / "snapshots" / "0000.safetensors", one / run.MODEL_FILE)
    assert "7.000" not in table(models)
    assert "one: no figures of its present weights" in caplog.text


def test_an_overview_has_one_line_for_each_model(models):
    readme = models.parent / "README.md"
    readme.write_text(f"<!-- models -->\n<!-- /models -->\nbetween\n{BEGIN}\n{END}\n", encoding="utf-8")
    save_metrics(models / "one", result(models / "one", 16, 7.0))
    write_tables(readme, models)
    overview, full = readme.read_text(encoding="utf-8").split("between")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in overview.splitlines() if "](weights/" in line]
    assert [row[0] for row in rows] == ["[one](weights/one/README.md)", "[two](weights/two/README.md)"]
    assert [row[2] for row in rows] == ["16", "16"] and all('src="weights/' in row[1] for row in rows)
    assert rows[0][-2:] == ["7.000", "0.516"] and rows[1][-2:] == ["", ""]
    assert "parameters G / D" in full and "parameters" not in overview


def test_the_presets_need_no_models(tmp_path):
    file = tmp_path / "training.md"
    file.write_text("<!-- presets -->\n<!-- /presets -->\n", encoding="utf-8")
    write_tables(file, tmp_path / "absent")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line.split("`")[1] for line in lines[3:-1]] == list(PRESETS)
    assert f"| {count_parameters(Generator(PRESETS['dcgan64'])):,} |" in next(li for li in lines if "`dcgan64`" in li)


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_file_without_its_marks_is_left_alone(models, text):
    readme = models.parent / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"does not say where (the|a) table goes: put"):
        write_tables(readme, models)
    assert readme.read_text(encoding="utf-8") == text


def test_the_command(models, capsys):
    readme = models.parent / "README.md"
    assert main(["card", "--table", str(readme), "--models", str(models)]) == 0
    assert "[one]" in readme.read_text(encoding="utf-8")
    assert main(["card", "--table", str(readme), "--models", str(models / "absent")]) == 2
    assert "holds no model folder" in capsys.readouterr().err


def test_times():
    assert duration(2.4) == "2 seconds" and duration(60) == "1.0 minutes"
    assert duration(150) == "2.5 minutes" and duration(7199) == "120.0 minutes" and duration(7200) == "2.0 hours"
