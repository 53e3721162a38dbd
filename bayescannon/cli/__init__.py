"""The command line. Each command reads files, calls one function of the package, writes files."""

from bayescannon.cli.app import app, main

__all__ = ["app", "main"]
