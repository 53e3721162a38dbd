"""How a command speaks: on the terminal, in a log file, or as one JSON object."""

import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from bayescannon.errors import UserError, line_of


class Report:
    """What the user wants to hear, and what was said so far.

    Attributes
    ----------
    as_json, quiet, verbose : bool
        `--json`, `--quiet`, `--verbose`.
    lines : list of str
        Lines of the result.
    facts : dict
        What `--json` prints beside them: whatever JSON can hold.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._begin()

    def _begin(self) -> None:
        self.as_json = self.quiet = self.verbose = False
        self.lines: list[str] = []
        self.facts: dict[str, Any] = {}
        self._log: TextIO | None = None

    @contextmanager
    def of(self, command: str) -> Generator[None]:
        """Report one command; commands that it hands its arguments to are part of it."""
        if self.depth:
            yield
            return
        self._begin()
        self.depth += 1
        code: Any = 0
        try:
            yield
        except SystemExit as stop:
            code = stop.code or 0
            raise
        except UserError as error:
            code, self.facts = 2, {"error": str(error)}
            raise
        except OSError as error:
            code, self.facts = 3, {"error": line_of(error)}
            raise
        finally:
            self.depth -= 1
            self._end(command, code)

    def _end(self, command: str, code: Any) -> None:
        if "error" in self.facts:
            self.write(self.facts["error"])
        if self._log is not None:
            self.write(f"{command}: exit code {code}")
            self._log.close()
        if self.as_json:
            made = {"command": command, "exit": code, **self.facts, "lines": self.lines}
            print(json.dumps(made, default=str), flush=True)

    def log_to(self, path: Path) -> None:
        """Append to a log file from now on.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        try:
            self._log = path.expanduser().open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"--log {line_of(error, path)}; choose another file") from error
        self.write(" ".join(["bayescannon", *sys.argv[1:]]))

    def write(self, line: str) -> None:
        """Write a line to the log file, where there is one, with the time."""
        if self._log is not None:
            self._log.write(line if line.startswith(stamp()[:10]) else f"{stamp()} {line}")
            self._log.write("\n")
            self._log.flush()


def stamp() -> str:
    """Date and time, as log lines begin."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


report = Report()
"""Of this process."""
