"""Throw-away environments in which other packages run from their own releases."""

import subprocess
import sys
from pathlib import Path

THE_CANNON = ("numpy", "scipy", "matplotlib", "astropy", "setuptools", "TheCannon==0.7.3")
"""TheCannon of PyPI (Ho); 0.7.3 declares no dependency, so they are named beside it."""


def environment(where: Path, packages: tuple[str, ...]) -> Path:
    """Make an environment with `packages`; give its Python."""
    python = where / "bin" / "python"
    run(sys.executable, "-m", "venv", where)
    run(python, "-m", "pip", "install", "-q", *packages)
    return python


def run(*command) -> str:
    """Run a command and give what it wrote; stop with its error if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout
