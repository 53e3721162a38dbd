"""Commands whose modules are loaded when they run: `bayescannon --help` loads none."""

import importlib
from typing import Any

import typer

from bayescannon.errors import UserError

PASSED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def plain_app(**settings: Any) -> typer.Typer:
    """Give an app whose help is plain text: Rich would take `[pixels]` in it for markup."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings
    )


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
        load_command(where, context.command_path)(context.args, prog_name=context.command_path)


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
