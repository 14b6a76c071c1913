"""The static edition as a folder: nothing of others is touched, nothing of before is left, and it looks as the page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from gan.__main__ import main
from gan.export import onnx, packages, site
from gan.export.site import FACTS, build
from gan.films.encode import formats
from gan.history import samples
from gan.ui.morph_server import MOST_FACES, MOST_FRAMES
from gan.ui.theme import theme
from gan.ui.values import MAX_NAME


@pytest.fixture(autouse=True)
def without_networks(monkeypatch, tmp_path):
    """A model's files and the runtime's are made of nothing here: other tests make them."""

    def export(folder: Path, out: Path) -> Path:
        made = out / folder.name
        made.mkdir(parents=True)
        (made / onnx.FILE).write_text(json.dumps({"name": folder.name}), encoding="utf-8")
        (made / "generator-0123456789ab.onnx").write_bytes(b"generator")
        (made / "encoder-0123456789ab.onnx").write_bytes(b"encoder")
        return made

    brought = tmp_path / "brought"
    brought.mkdir()
    for package in packages.PACKAGES.values():
        for file in package.files.values():
            (brought / file.name).write_bytes(b"brought")
    monkeypatch.setattr(site, "export", export)
    monkeypatch.setattr(packages.Package, "obtained", lambda package: brought)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def told(folder: Path) -> dict:
    """What the service worker knows."""
    return json.loads(
        (folder / "sw.js").read_text(encoding="utf-8").splitlines()[0].removeprefix("self.SITE = ").removesuffix(";")
    )


def test_all_files_are_named_with_their_bytes_and_all_that_the_page_names_are_there(tiny_run, tmp_path):
    out = build(tmp_path / "out", [tiny_run])
    known = told(out)
    assert set(known["all"]) == files_of(out) - {"sw.js"}
    assert all((out / name).stat().st_size == size for name, size in known["all"].items())
    detector = {name for name in known["all"] if name.startswith("detector")}
    addresses = [file["address"] for file in json.loads((out / "detector.json").read_text(encoding="utf-8")).values()]
    assert detector == {"detector.json", *addresses} and addresses[1].endswith("/LICENSE")
    assert detector.isdisjoint([*known["shell"], *known["drawing"]])
    assert set(known["shell"]).issubset(known["all"]) and set(known["drawing"]).issubset(known["all"])
    assert [name for name in known["drawing"] if name.startswith("models")] == [
        "models/tiny/generator-0123456789ab.onnx", "models/tiny/model.json",
    ]  # fmt: skip
    page = (out / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="([^"#?]+)"', page)
    assert len(named) > 20 and not [name for name in named if not (out / name).exists()]
    assert not re.search(r"\$\{|https?://(?!www\.w3\.org)", page)
    assert page.count("What is this?") == 5  # a tab
    assert json.loads(re.search(r'id="site">(.*?)</script>', page)[1])["models"] == ["tiny"]
    run = json.loads((out / "replay" / "tiny" / "run.json").read_text(encoding="utf-8"))
    assert [f"{number:04}.webp" for number, *_ in run["sheets"]] == [path.name for path in samples(tiny_run).values()]
    [row] = json.loads((out / "cards" / "models.json").read_text(encoding="utf-8"))["models"]
    assert row["name"] == row["title"] == "tiny" and row["pages"] == ["README.md"]
    card = json.loads((out / "cards" / "pages" / "tiny.json").read_text(encoding="utf-8"))["README.md"]
    assert card["text"].startswith("# tiny\n") and "progress.webp" in card["pictures"]
    assert (out / "replay" / "tiny" / "history.csv").read_bytes() == (tiny_run / "history.csv").read_bytes()


def test_without_the_face_detector_it_is_written_all_the_same(tiny_run, tmp_path, monkeypatch):
    def obtained(package: packages.Package) -> Path:
        if package is packages.DETECTOR:
            raise packages.PackageMissing("no npm")
        return tmp_path / "brought"

    shutil.rmtree(build(tmp_path / "out", [tiny_run]) / "models")
    monkeypatch.setattr(packages.Package, "obtained", obtained)
    out = build(tmp_path / "out", [tiny_run])
    assert json.loads((out / "detector.json").read_text(encoding="utf-8")) == {} and "detector.json" in told(out)["all"]
    assert not [name for name in files_of(out) if name.startswith("detector/")]


def test_what_an_earlier_site_had_is_gone_and_what_is_not_ours_stays(tiny_run, tmp_path, monkeypatch):
    out, other = tmp_path / "out", Path(shutil.copytree(tiny_run, tmp_path / "other"))
    build(out, [tiny_run, other])
    before = told(out)["version"]
    (out / ".git").mkdir()
    (out / "CNAME").write_text("faces.example", encoding="utf-8")
    (out / "web" / "old.mjs").write_text("", encoding="utf-8")
    shutil.rmtree(out / "models")
    (other / "samples" / "0003.webp").write_bytes(b"half")  # by now
    assert main(["site", str(out), str(other), "--space"]) == 0
    assert told(out)["version"] != before
    assert not [name for name in files_of(out) if "tiny" in name or name.endswith("old.mjs")]
    run = json.loads((out / "replay" / "other" / "run.json").read_text(encoding="utf-8"))
    numbers = [f"{number:04}.webp" for number, *_ in run["sheets"]]
    assert "0003.webp" not in numbers and numbers == sorted(p.name for p in (out / "replay" / "other").glob("*.webp"))
    assert (out / "CNAME").exists() and (out / ".git").exists()
    matter = (out / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    assert "\nsdk: static\n" in matter and "\napp_file: index.html\n" in matter


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["full", "MODEL"], "full holds other things (mine.txt): give an empty folder"),
        (["out", "."], "is no model folder"),
        (["out", "MODEL", "MODEL"], "two of the models are called tiny"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tiny_run, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("", encoding="utf-8")
    assert main(["site", *(str(tiny_run) if word == "MODEL" else word for word in arguments)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and (tmp_path / "full" / "mine.txt").exists()


def test_our_recipe_s_largest_model_comes_first(tiny_run, tmp_path):
    weights = site.WEB.parents[1] / "weights"
    names = list(site._ordered([weights / name for name in ("dcgan64", "nadim-celeba32", "faces64", "dlnd-mnist28")]))
    assert names == ["faces64", "nadim-celeba32", "dcgan64", "dlnd-mnist28"]


def test_both_editions_give_the_tabs_the_same_limits():
    assert FACTS["explore/maker.html"] == {"longest": MAX_NAME}
    assert FACTS["morph/morph.html"] | {"formats": ""} == {"formats": "", "most": MOST_FACES, "frames": MOST_FRAMES}
    assert "gif" in formats() and "gif" in FACTS["morph/morph.html"]["formats"]


def test_the_theme_is_that_of_gradio_s_page():
    ours, theirs = (site.WEB / "site" / "theme.css").read_text(encoding="utf-8"), theme()._get_theme_css()
    for mode in (":root", ".dark"):
        values = dict(re.findall(r"(--[\w-]+): (.+);", re.search(rf"^\{mode} {{(.*?)^}}", ours, re.M | re.S)[1]))
        known = dict(re.findall(r"(--[\w-]+): (.+);", re.search(rf"\{mode}.*?{{(.*?)}}", theirs, re.S)[1]))
        assert len(values) > 20 and {name: known[name] for name in values} == values
