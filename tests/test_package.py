"""The package as a whole: it trains on a machine without gradio, and its front door is as documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gan

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for path in (ROOT / "gan").glob("*.py"))

BLOCKED = """
import sys

class NoGradio:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gradio", "gradio_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoGradio())
"""


def test_trains_and_draws_without_gradio(tiny_run):
    script = f"""{BLOCKED}
import importlib
try:
    import gradio
except ModuleNotFoundError:
    pass
else:
    sys.exit("gradio was to be out of reach")
for name in {[f"gan.{path.stem}" for path in MODULES if path.stem != "__init__"]!r} + ["train"]:
    importlib.import_module(name)
from gan import load_generator, sample
print(sample(load_generator({str(tiny_run)!r}), seed=7, n=2).shape)
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "(2, 16, 16, 3)\n"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


@pytest.mark.parametrize("path", [*MODULES, ROOT / "train.py"], ids=lambda path: path.name)
def test_only_the_page_imports_gradio(path):
    assert not [name for name in imported(path) if name.split(".")[0] == "gradio" or name.startswith("gan.ui")]


def test_front_door(tiny_run):
    assert set(gan.__all__) == {"PRESETS", "GANConfig", "load_generator", "sample"}
    generator = gan.load_generator(tiny_run)
    images = gan.sample(generator, seed=7, n=16, truncation=1.0)
    assert images.shape == (16, 16, 16, 3) and images.dtype == np.uint8
    assert np.array_equal(images, gan.sample(gan.load_generator(tiny_run), seed=7, n=16))
    assert isinstance(generator.config, gan.GANConfig)
