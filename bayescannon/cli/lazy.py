"""Commands whose modules are loaded when they run: `bayescannon --help` loads none."""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from bayescannon.cli.report import report
from bayescannon.errors import UserError

PASSED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def plain_app(add_completion: bool = False, **settings: Any) -> typer.Typer:
    """Give an app whose help is plain text: Rich would take `[pixels]` in it for markup."""
    plain: Any = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
    return typer.Typer(add_completion=add_completion, **plain, **settings)


def mount(app: typer.Typer, name: str, where: str, words: str) -> None:
    """Give `app` a command that hands all its arguments to a function, or to another app.

    Parameters
    ----------
    app : typer.Typer
    name : str
        Name of the command.
    where : str
        `module:name` of the function, or of the `typer.Typer`, that is the command.
    words : str
        One line of help.
    """

    @app.command(name, short_help=words, context_settings=PASSED_ON)
    def passed_on(context: typer.Context) -> None:
        with report.of(context.command_path):
            command = typer.main.get_command(load_command(where, context.command_path))
            add_common(command)
            command(context.args, prog_name=context.command_path)


def add_common(command: Any) -> None:
    """Give a command, or all below it, the options that every command has."""
    for below in getattr(command, "commands", {}).values():
        add_common(below)
    # what hands its arguments on, or has commands of its own, takes none itself
    if not (hasattr(command, "commands") or command.ignore_unknown_options):
        command.params += _common_options()


@cache
def _common_options() -> list:
    app = plain_app()
    app.command()(_common)
    return typer.main.get_command(app).params


def _set(name: str) -> Callable[[bool], None]:
    def given(value: bool) -> None:
        if value:
            setattr(report, name, True)

    return given


def _open_log(value: Path | None) -> None:
    if value is not None:
        report.log_to(value)


def _option(name: str, flag: str, words: str) -> Any:
    return typer.Option(flag, help=words, callback=_set(name), expose_value=False)


def _common(
    as_json: Annotated[
        bool, _option("as_json", "--json", "Print one JSON object, and nothing else, on stdout.")
    ] = False,
    quiet: Annotated[
        bool, _option("quiet", "--quiet", "No progress and no notes: results and errors only.")
    ] = False,
    verbose: Annotated[
        bool, _option("verbose", "--verbose", "A line with the time for each block, too.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            help="File to which all that is said is appended, with the time.",
            callback=_open_log,
            expose_value=False,
        ),
    ] = None,
) -> None:
    """Carry the options of every command."""


def load_command(where: str, command: str) -> typer.Typer:
    """Import the app at `module:name`; a function becomes an app of one command.

    Raises
    ------
    UserError
        When the module is one of `studies` or `benchmarks`, and they are not installed.
    """
    from bayescannon.precision import use_compilation_cache  # loads JAX

    use_compilation_cache()
    module, _, name = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name not in ("studies", "benchmarks"):
            raise
        raise UserError(
            f"`{command}` is part of the source tree, not of the installed library: "
            "clone the repository and run it there"
        ) from None
    if isinstance(found, typer.Typer):
        return found
    app = plain_app()
    app.command()(found)
    return app
