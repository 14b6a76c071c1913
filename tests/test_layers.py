"""The layout: who imports whom, read from the source, also inside functions; and how long a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 350  # lines of a file that does not say "Long because" at its top
CORE = "core"  # the modules that lie flat in gan/
# What each folder may import besides itself.
MAY_IMPORT = {
    CORE: set(),
    "data": {CORE},
    "training": {CORE, "data"},
    "metrics": {CORE, "data"},
    "films": {CORE, "data"},
    "latent": {CORE, "data", "metrics"},
    "report": {CORE, "metrics", "latent"},
    "export": {CORE, "data", "metrics", "latent", "films", "report"},
    "commands": {CORE, "data", "metrics", "latent", "report", "export"},
    "web": set(),
    "ui": {CORE, "data", "metrics", "latent", "films", "report", "export"},
}
# Programs, which put the parts together: nothing imports them.
PROGRAMS = {
    "app": {"ui", CORE},
    "train": {CORE, "data", "training", "metrics", "latent", "report"},
    "gan.__main__": {CORE, "commands"},
}


def sources(root: Path) -> dict[str, Path]:
    """The project's modules by dotted name."""
    found = {path.stem: path for path in root.glob("*.py")}
    for path in (root / "gan").rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> dict[str, set[str]]:
    """What each module imports of the project, anywhere in it."""
    modules = sources(root)
    graph = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                inside = {f"{base}.{alias.name}" for alias in node.names}
                found.update(inside & modules.keys())
                if inside - modules.keys():  # names of a module, not modules of a package
                    found.add(base)
        graph[name] = {other for other in found if other in modules and other != name}
    return graph


def folder_of(module: str) -> str:
    """The layer that a module belongs to, or itself where it is a program."""
    if module in PROGRAMS:
        return module
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else CORE


def upward(root: Path) -> list[str]:
    """Imports that the table does not allow, as "who imports whom"."""
    allowed = {name: may | {name} for name, may in (MAY_IMPORT | PROGRAMS).items()}
    return [
        f"{module} imports {other}"
        for module, others in imports(root).items()
        for other in sorted(others)
        if folder_of(other) not in allowed[folder_of(module)]
    ]


def circle(root: Path) -> list[str]:
    """Modules that import each other in a circle, in order; [] where there are none."""
    graph, done = imports(root), set()

    def search(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            done.add(module)
            for other in sorted(graph[module]):
                if found := search(other, [*path, module]):
                    return found
        return []

    return next(filter(None, (search(module, []) for module in sorted(graph))), [])


def modules(root: Path, **texts: str) -> Path:
    """A project of these modules: `data__images="..."` is gan/data/images.py."""
    for name, text in texts.items():
        path = (root / "gan" / name.replace("__", "/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_imports_run_down_only():
    assert upward(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "from gan.training import loop", "from gan.training.loop import train", "import gan.training.loop",
        "from ..training import loop", "def draw():\n    from gan.training.loop import train",
    ],
)  # fmt: skip
def test_an_upward_import_is_found_however_it_is_written(tmp_path, line):
    root = modules(tmp_path, training__loop="", data__images=line, data__labels="from gan import data, run", run="")
    assert upward(root) == ["gan.data.images imports gan.training.loop"]


def test_no_circle():
    assert circle(ROOT) == []


def test_a_circle_is_found(tmp_path):
    root = modules(tmp_path, run="def read():\n    from gan import history", history="import gan.weights", weights="")
    assert circle(root) == []
    modules(root, weights="from gan.run import RunError")
    assert circle(root) == ["gan.history", "gan.weights", "gan.run", "gan.history"]


def long_without_reason(root: Path) -> list[str]:
    """Files of code above `LONGEST` lines whose first comment or docstring does not say why, with their lines."""
    found = {}
    for pattern in ("*.py", "gan/**/*.py", "gan/**/*.js", "tests/**/*.py"):
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            top = text.partition("\nimport " if path.suffix == ".js" else "\nfrom __future__")[0]
            if len(text.splitlines()) > LONGEST and "Long because " not in top:
                found[path.relative_to(root).as_posix()] = len(text.splitlines())
    return [f"{name}: {lines} lines" for name, lines in found.items()]


def test_a_long_file_says_why():
    assert long_without_reason(ROOT) == []


def test_a_long_file_is_found(tmp_path):
    code = "\nfrom __future__ import annotations\n" + LONGEST * "x = 1\n"
    root = modules(tmp_path, long=f'"""What it is."""{code}', told=f'"""What it is.\n\nLong because of x.\n"""{code}')
    script = "// The page.\nimport x from y;\n" + LONGEST * "// Long because\n"
    (root / "gan/long").with_suffix(".js").write_text(script, encoding="utf-8")
    assert long_without_reason(root) == [f"gan/long{ending}: 352 lines" for ending in (".py", ".js")]
