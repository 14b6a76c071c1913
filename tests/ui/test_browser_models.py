"""Models' files for the browser, which the page lets another process make."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from gan.export import conversion, networks, onnx, packages, site, snapshots
from gan.export.onnx import FILE
from gan.run import CRITIC_FILE, DIRECTIONS_FILE, ENCODER_FILE, MODEL_FILE, snapshot_file
from gan.ui import browser_models
from gan.ui.library import Library
from gan.weights import load_generator, save_weights

PAGE = """
import sys
from pathlib import Path
from gan.ui.browser_models import BrowserModels
from gan.ui.library import Library
run, out = map(Path, sys.argv[1:])
BrowserModels(Library([run.parent]))._export(run, out / "made")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are seen otherwise there")
def test_what_makes_them_ends_with_the_page_however_that_ends(tiny_run, tmp_path):
    root = Path(__file__).parents[2]
    page = psutil.Popen([sys.executable, "-c", PAGE, str(tiny_run), str(tmp_path)], cwd=root, stderr=subprocess.DEVNULL)
    while not (making := page.children()):
        time.sleep(0.05)
        assert page.is_running() and page.status() != psutil.STATUS_ZOMBIE
    page.kill()
    page.wait()
    gone, left = psutil.wait_procs(making, timeout=60)
    assert gone and not left and not [*tmp_path.rglob(FILE)]  # it was not finished either


def test_only_what_writes_them_and_the_models_own_files_decide_whether_they_are_made_anew(
    run_copy, tmp_path, monkeypatch
):
    def key() -> str:
        """As a page has it that begins now."""
        models = runpy.run_path(browser_models.__file__)["BrowserModels"](Library([run_copy]))
        return models._key(models.library.entry(run_copy.name))

    first, changed = key(), tmp_path / "changed.py"
    for part in (conversion, networks, onnx, snapshots, packages, site):
        changed.write_bytes(Path(part.__file__).read_bytes() + b"# another line")
        with monkeypatch.context() as patch:
            patch.setattr(part, "__file__", str(changed))
            assert (key() == first) == (part in (packages, site)), part
    for name in ("README.md", "metrics.json", "notes.md"):
        (run_copy / name).write_text("{}", encoding="utf-8")
    assert key() == first
    seen = {first}
    for name in (CRITIC_FILE, ENCODER_FILE, DIRECTIONS_FILE, snapshot_file(999)):
        (run_copy / name).write_bytes(b"another")
        seen.add(key())
    generator = load_generator(run_copy)
    with torch.no_grad():
        generator.stem.weight.add_(0.5)
    save_weights(run_copy / MODEL_FILE, generator)
    seen.add(key())
    assert len(seen) == 6


def test_new_weights_are_seen_by_a_page_that_runs(run_copy):
    models = browser_models.BrowserModels(Library([run_copy]))
    entry = models.library.entry(run_copy.name)
    first = models._key(entry)
    assert models._key(entry) == first
    generator = load_generator(run_copy)
    with torch.no_grad():
        generator.stem.weight.add_(0.5)
    save_weights(run_copy / MODEL_FILE, generator)
    assert models._key(entry) != first
