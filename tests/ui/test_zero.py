"""ZeroGPU finds one function for its GPU, and every event stays on the processor."""

from __future__ import annotations

import sys

import pytest

import app
from gan.ui import zero

PACKAGE = """
told = []

def GPU(function):
    told.append(function.__name__)

def disable_gradio_auto_wrap():
    told.append("no event")
"""


def test_where_its_package_is_a_page_tells_it_of_one_function_before_the_launch(tmp_path, monkeypatch):
    (tmp_path / "spaces.py").write_text(PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spaces", raising=False)

    def launch(*_: object, **__: object) -> None:
        assert sys.modules["spaces"].told == ["no event", "gpu"]
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "launch", launch)
    with pytest.raises(KeyboardInterrupt):
        app.main(["--weights", str(tmp_path / "none")])
    sys.modules.pop("spaces")


def test_elsewhere_nothing_is_imported(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    zero.announce()
    assert "spaces" not in sys.modules
