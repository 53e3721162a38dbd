"""Throw-away environments in which other packages run from their own releases."""

import shutil
import subprocess
import sys
from pathlib import Path

THE_CANNON = ("numpy", "scipy", "matplotlib", "astropy", "setuptools", "TheCannon==0.7.3")
"""TheCannon of PyPI (Ho); 0.7.3 declares no dependency, so they are named beside it."""


def environment(where: Path, packages: tuple[str, ...]) -> Path:
    """Make an environment with `packages`, by uv or else venv and pip; give its Python."""
    python = where / "bin" / "python"
    if shutil.which("uv"):
        run("uv", "venv", "-q", "--python", sys.executable, where)
        install = ("uv", "pip", "install", "-q", "--python", python)
    else:
        run(sys.executable, "-m", "venv", where)
        install = (python, "-m", "pip", "install", "-q")
    run(*install, *packages, cwd=where)  # there our own pins of versions do not reach
    return python


def run(*command, cwd: Path | None = None) -> str:
    """Run a command and give what it wrote; stop with its error if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout
