"""Format, lint and types: the one test command covers them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
