"""Gradio without the stubs that it writes of its components, for editors: to be imported before gradio.

Whenever it is imported it parses the sources of all of them for that, which takes as long as all the rest of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _WithoutStubs:
    """Finds the module whose function writes them, and puts one that does nothing in its place."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "gradio.component_meta" else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_without(module: ModuleType) -> None:
                execute(module)
                module.create_or_modify_pyi = lambda *_: None

            spec.loader.exec_module = execute_without
        return spec


sys.meta_path.insert(0, _WithoutStubs)
