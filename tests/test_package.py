"""The package as a whole: it trains on a machine without gradio, and its front door is as documented."""

from __future__ import annotations

import ast
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from glob import glob
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gan

ROOT = Path(__file__).resolve().parents[1]
# All but the page.
MODULES = sorted(path for path in (ROOT / "gan").rglob("*.py") if path.parent.name != "ui")
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
SOURCES = sorted([ROOT / "app.py", ROOT / "train.py", *(ROOT / "gan").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

BLOCKED = """
import sys

class NoGradio:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gradio", "gradio_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoGradio())
"""


def test_trains_and_draws_without_gradio_and_where_text_is_ascii(run_copy):
    (run_copy / "notes.md").write_text("Fréchet → 0.47", encoding="utf-8")
    script = f"""{BLOCKED}
import importlib
try:
    import gradio
except ModuleNotFoundError:
    pass
else:
    sys.exit("gradio was to be out of reach")
import gan.films.replay
for large in ("matplotlib", "av"):
    if large in sys.modules:
        sys.exit(large + " was not to be imported where a run is only read")
for name in {NAMES!r} + ["train"]:
    importlib.import_module(name)
for slow in ("torchvision", "torch._dynamo"):
    if slow in sys.modules:
        sys.exit(slow + " was not to be imported before something wants it: each command would begin seconds later")
from gan import load_generator, sample
print(sample(load_generator({str(run_copy)!r}), seed=7, n=2).shape)
from gan.report.card import write_card
write_card({str(run_copy)!r})
import locale
print(locale.getencoding())
"""
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | plain, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    shape, encoding = result.stdout.splitlines()
    assert shape == "(2, 16, 16, 3)"
    assert sys.platform != "linux" or encoding.upper() != "UTF-8"
    assert "Fréchet → 0.47" in (run_copy / "README.md").read_text(encoding="utf-8")


def nodes(path):
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(path):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


@pytest.mark.parametrize("path", [*MODULES, ROOT / "train.py"], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_the_page_imports_gradio(path):
    assert not [name for name in imported(path) if name.split(".")[0] == "gradio" or name.startswith("gan.ui")]


def in_the_machine_s_encoding(path):
    """Lines of calls that read or write text without saying in which encoding; ruff's PLW1514 sees only some."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and "encoding" not in (named := {word.arg: word.value for word in node.keywords}):
            called = getattr(node.func, "attr", "")
            if called in ("read_text", "write_text") or {"text", "universal_newlines"} & named.keys():
                yield node.lineno


def test_text_is_never_in_the_machine_s_own_encoding():
    assert not [f"{path.relative_to(ROOT)}:{line}" for path in SOURCES for line in in_the_machine_s_encoding(path)]


def exists(name):
    """Whether a dotted name is a module or something in one."""
    try:
        pkgutil.resolve_name(name)
        return True
    except (ImportError, AttributeError):
        return False


def test_what_docstrings_and_comments_name_exists():
    scripts = sorted((ROOT / "gan").rglob("*.js"))
    texts = {path: path.read_text(encoding="utf-8") for path in [*SOURCES, *scripts]}
    names = {path: set(re.findall(r"`(gan(?:\.\w+)+)`", text)) for path, text in texts.items()}
    assert not [
        f"{path.relative_to(ROOT)}: {name}" for path, found in names.items() for name in found if not exists(name)
    ]
    files = {path.name for path in (ROOT / "gan").rglob("*.*")}
    said = {path: set(re.findall(r"(?<![\w.-])[\w-]+\.(?:js|css)\b", text)) for path, text in texts.items()}
    assert not [
        f"{path.relative_to(ROOT)}: {name}" for path, found in said.items() for name in found - files - {"Node.js"}
    ]


@pytest.mark.parametrize("name", ["app.py", "train.py"])
def test_an_old_python_is_told_in_one_sentence(name):
    """The check runs before any import that fails there, in a file that old versions can read."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 8))
    first = next(node for node in tree.body if not isinstance(node, (ast.Expr, ast.ImportFrom, ast.Import)))
    before = [
        alias.name
        for node in tree.body[: tree.body.index(first)]
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    assert before == ["sys"] and isinstance(first, ast.If)
    code = compile(ast.Module([first], []), name, "exec")
    for version in [(3, 10, 13), (2, 7, 18)]:
        with pytest.raises(SystemExit, match=r"needs Python 3\.11 or later, and this is 3\.9\.1: /usr/bin/python"):
            exec(
                code,
                {
                    "sys": SimpleNamespace(
                        version_info=version, version="3.9.1 (main)", executable="/usr/bin/python", exit=sys.exit
                    )
                },
            )
    exec(code, {"sys": SimpleNamespace(version_info=(3, 11, 0))})


def test_front_door(tiny_run):
    assert set(gan.__all__) == {"PRESETS", "GANConfig", "load_generator", "sample"}
    generator = gan.load_generator(tiny_run)
    images = gan.sample(generator, seed=7, n=16, truncation=1.0)
    assert images.shape == (16, 16, 16, 3) and images.dtype == np.uint8
    assert np.array_equal(images, gan.sample(gan.load_generator(tiny_run), seed=7, n=16))
    assert isinstance(generator.config, gan.GANConfig)


def test_everything_that_the_package_needs_is_installed_with_it():
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["gan"]
    data = {
        root / "gan" / name for pattern in patterns for name in glob(pattern, root_dir=root / "gan", recursive=True)
    }
    files = [file for file in (root / "gan").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    for file in files:
        assert file.suffix == ".py" or file in data, file
        assert file.suffix != ".py" or (file.parent / "__init__.py").exists(), f"{file.parent} is no package"
    assert set(project["project"]["dynamic"]) == {"version", "dependencies", "optional-dependencies"}
