"""A folder of this process's own for the files that Gradio writes: to be imported before gradio.

Gradio would write into a folder `gradio` of the temporary folder that all users of a machine share: it belongs to the
first of them, and nobody could tell which files in it are this page's. This one goes with the process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile


def _own() -> str:
    parent = os.environ.get("GRADIO_TEMP_DIR")
    try:
        if parent:
            os.makedirs(parent, exist_ok=True)
        return tempfile.mkdtemp(prefix="gan-faces-", dir=parent)
    except OSError as error:
        place = parent or "any of the usual temporary folders"
        sys.exit(
            f"No folder for temporary files can be made in {place} ({error.strerror or error}): set GRADIO_TEMP_DIR"
        )


FOLDER = _own()
os.environ["GRADIO_TEMP_DIR"] = FOLDER
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
