"""The documentation site builds without a warning, and nothing in it is stale."""

import re
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import pytest

import bayescannon as bc

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [p for p in sorted(DOCS.glob("**/*.md")) if "_build" not in p.parts]
sys.path.insert(0, str(ROOT / "scripts"))

import layers  # noqa: E402 (scripts/ is no package)
import results  # noqa: E402


def test_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-D", "nb_execution_mode=off"]
    done = subprocess.run([*command, DOCS, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "tutorials" / "01_first_catalogue.html").is_file()


def test_numbers_are_those_of_the_results():
    for path, text in results.written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: python scripts/results.py"


def test_every_table_of_results_says_what_made_it():
    for path in (DOCS / "results").glob("*.json"):
        for table in results.load(path.stem)["tables"]:
            made = results.source(table)
            assert "commit" in made or not table["rows"], f"{path.name}: {table['title']}"


def test_layers_are_drawn_from_the_imports():
    assert layers.PICTURE.read_text(encoding="utf-8") == layers.draw(), "python scripts/layers.py"


def _named(text: str) -> set[str]:
    roles = re.findall(r"\{(?:func|class|mod)\}`([^`]+)`", text)
    return {re.sub(r".*<(.*)>", r"\1", role) for role in roles}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_names_in_pages_exist(path):
    for name in _named(path.read_text(encoding="utf-8")):
        assert resolve_name(name), name


def test_api_lists_every_public_name():
    listed = (DOCS / "api" / "index.md").read_text(encoding="utf-8").split()
    public = {n for n in bc.__all__ if not isinstance(getattr(bc, n), (ModuleType, str))}
    assert public - set(listed) == set()


def test_readme_is_one_screen_a_purpose():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 120
    assert "python -m pip install ." in "\n".join(lines[:20])


def test_links_between_pages_lead_somewhere():
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            there = path.parent / target
            assert there.exists() or (ROOT / "notebooks" / there.name).exists(), f"{path}: {target}"
