"""Format, lint and types: the one test command covers them."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BESIDE = {"h5netcdf", "h5py", "arviz"}
"""Not imported by name: xarray finds two to write netCDF; users read posteriors with ArviZ."""
RUFF = [sys.executable, "-m", "ruff"]
TY = [str(Path(sys.executable).with_name("ty")), "check", "--python", sys.executable]


@pytest.mark.parametrize(
    "command",
    [[*RUFF, "format", "--check"], [*RUFF, "check"], TY],
    ids=["format", "lint", "types"],
)
def test_style(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _imported() -> set[str]:
    """Return the distributions whose packages the library imports anywhere, its own left out."""
    modules = set()
    for path in (ROOT / "bayescannon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    names = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    found = packages_distributions()
    return {found.get(name, [name])[0].lower() for name in names - {"bayescannon"}}


def test_what_is_imported_is_what_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [r for listed in project["optional-dependencies"].values() for r in listed]
    declared = {re.split(r"[\[<>=]", r)[0].lower() for r in [*project["dependencies"], *extras]}
    assert _imported() | BESIDE == declared


def _graph() -> dict[str, set[str]]:
    """Which modules of the library each of them imports, also inside functions."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "bayescannon").rglob("*.py")
    }
    graph = {}
    for module, path in files.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[module] = found & set(files) - {module}
    return graph


def test_no_module_imports_itself_through_others():
    graph = _graph()
    while leaves := {module for module, needed in graph.items() if not needed & set(graph)}:
        graph = {module: needed for module, needed in graph.items() if module not in leaves}
    assert not graph, sorted(graph)


def test_inference_loads_no_training_and_no_tables():
    code = "import sys; from bayescannon.posterior import infer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {m.split(".")[1] for m in done.stdout.split() if m.startswith("bayescannon.")}
    assert not loaded & {"ages", "catalog", "cli", "files", "plots", "tables", "training", "units"}
