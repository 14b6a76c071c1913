"""Models' files for the browser, which the page lets another process make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gan.export.onnx import FILE

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
        assert page.is_running() and page.status() != psutil.STATUS_ZOMBIE
    page.kill()
    page.wait()
    gone, left = psutil.wait_procs(making, timeout=60)
    assert gone and not left and not [*tmp_path.rglob(FILE)]  # it was not finished either
