"""What people read: it is short, its links lead somewhere, and its commands and snippets are right."""

from __future__ import annotations

import argparse
import ast
import os
import re
import runpy
import shlex
import signal
import sys
from pathlib import Path

import pytest
from examples import ENDPOINTS, drawn_photo
from huggingface_hub import metadata_load

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CARDS = sorted((ROOT / "weights").glob("*/README.md"))
NOTES = sorted(path for path in (ROOT / "weights").glob("*/*.md") if path not in CARDS)
PAGES = [ROOT / "docs" / f"{tab}.webp" for tab in ("explore", "morph", "photo", "replay", "models", "train")]
MOST_WORDS, MOST_WORDS_OF_A_CARD = 900, 700
MOST_PICTURE_BYTES = 400_000  # of the page's pictures together


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def body(path: Path) -> str:
    """The text below the front matter."""
    return re.sub(r"\A---\n.*?\n---\n", "", read(path), flags=re.DOTALL)


def words(text: str) -> int:
    """Whatever stands between spaces and holds a letter or a digit."""
    return sum(any(character.isalnum() for character in word) for word in text.split())


def test_the_readme_is_short():
    """Its words, code and links among them, but for the rows of tables."""
    lines = [line for line in body(ROOT / "README.md").splitlines() if not line.startswith("|")]
    assert words("\n".join(lines)) <= MOST_WORDS


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_a_card_is_one_page(path):
    """All of its words, those of tables too."""
    assert words(body(path)) <= MOST_WORDS_OF_A_CARD


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_the_hub_can_read_a_card(path):
    known = metadata_load(path)
    assert known["pipeline_tag"] == "unconditional-image-generation" and known["library_name"] == "pytorch"
    assert known["license"] == "cc-by-sa-3.0" or known["license_link"].startswith("https://")


def test_the_hub_can_read_the_space():
    known = metadata_load(ROOT / "README.md")
    assert known["sdk"] == "gradio" and (ROOT / known["app_file"]).is_file()
    assert f"gradio>={'.'.join(known['sdk_version'].split('.')[:2])}" in read(ROOT / "requirements.txt")


def test_the_page_s_pictures_are_small():
    assert sum(path.stat().st_size for path in PAGES) <= MOST_PICTURE_BYTES


def test_code_md_names_what_is_there():
    """Files under the folder that their paragraph or they themselves name, and functions of them in brackets."""
    text, folders = read(ROOT / "docs" / "code.md"), ["", "gan", "gan/ui", "gan/web"]
    named = re.findall(r"`([\w/]+\.(?:py|js))`(?: \(`(\w+)`\))?", text)
    assert len(named) > 20
    for name, function in named:
        found = [ROOT / folder / name for folder in folders if (ROOT / folder / name).is_file()]
        assert found or "NAME" in name, name
        assert not function or any(f"def {function}(" in read(path) for path in found), (name, function)


# ---- links ----------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """What a link may name in a document, as GitHub and the Hub make it of headings."""
    headings = re.findall(r"^#+ (.*)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path) -> list[str]:
    links = re.findall(r"\]\(([^)\s]+)\)", body(path)) + re.findall(r'<img src="([^"]+)"', body(path))
    dead = []
    for link in links:
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not link.startswith("http") and not (target.exists() and (not anchor or anchor in anchors(target))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("path", DOCUMENTS + CARDS + NOTES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    assert dead_links(path) == []


# ---- commands -------------------------------------------------------------------------------------------------------


class Parsed(BaseException):
    """The command line was understood: what follows is work."""


def blocks(path: Path, language: str) -> list[str]:
    """The blocks of code of one language; "" is those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", body(path), re.MULTILINE | re.DOTALL)
    return [code for named, code in found if named == language]


def commands(path: Path) -> set[str]:
    """Every line that calls Python: of blocks without a language, and in the text."""
    lines = [line for block in blocks(path, "") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", body(path))
    return {line.strip() for line in lines if re.match(r"(python|torchrun) ", line.strip())}


def understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command up to where it has parsed its options; raises SystemExit where it does not understand them."""
    given = [word for word in shlex.split(line, comments=True)[1:] if not word.startswith("--nproc_per_node=")]
    module = given.pop(0) == "-m" if given[0] == "-m" else False
    program, *options = given
    if program == "gan" and len(options) == 1:
        options.append("--help")  # a command's name in the text

    def parsed(parser, arguments=None, namespace=None):
        _, unknown = parser.parse_known_args(arguments, namespace)
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        raise Parsed

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", parsed)
        patched.setattr(sys, "argv", [program, *options])
        patched.syspath_prepend((ROOT / program).parent)
        patched.delitem(sys.modules, f"{program}.__main__", raising=False)
        before = signal.getsignal(signal.SIGINT)  # which train.py takes for itself, and tests that follow need
        try:
            runpy.run_module(program, run_name="__main__") if module else runpy.run_path(program, run_name="__main__")
        except Parsed:
            return
        except SystemExit as end:
            if end.code == 0 and "--help" in options:
                return
            raise
        finally:
            signal.signal(signal.SIGINT, before)


FOUND = {line: path for path in DOCUMENTS + CARDS + NOTES for line in sorted(commands(path))}


@pytest.mark.parametrize("line", FOUND, ids=lambda line: line[:80])
def test_a_command_is_understood(line, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    try:
        understood(line, monkeypatch)
    except SystemExit as end:
        pytest.fail(f"{FOUND[line].relative_to(ROOT)}: {line}\n{end.code}\n{capsys.readouterr().err}")


def test_a_wrong_command_is_seen(monkeypatch):
    monkeypatch.chdir(ROOT)
    for line in ("python train.py --dta mnist", "python app.py --prot 1", "python -m gan crad"):
        with pytest.raises(SystemExit):
            understood(line, monkeypatch)


# ---- snippets -------------------------------------------------------------------------------------------------------


SNIPPETS = {
    f"{path.relative_to(ROOT).as_posix()} {n}": code
    for path in DOCUMENTS
    for n, code in enumerate(blocks(path, "python"))
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_runs(name, tmp_path, monkeypatch):
    """As it stands, in a folder with the shipped models and a picture; of one that asks a running page the imports."""
    code = SNIPPETS[name]
    asked = set(re.findall(r'api_name="([^"]+)"', code))
    assert asked <= ENDPOINTS.keys()
    tree = ast.parse(code)
    if asked:
        tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    os.symlink(ROOT / "weights", tmp_path / "weights", target_is_directory=True)
    drawn_photo(tmp_path / "me.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(tree, name, "exec"), {})
