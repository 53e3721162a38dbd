"""Commands that live beside the library, in the source tree: studies and benchmarks."""

import importlib

import typer

from bayescannon.errors import UserError

PASSED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def mount(app: typer.Typer, name: str, module: str, words: str) -> None:
    """Give `app` a command that hands all its arguments to the `app` of a module.

    Parameters
    ----------
    app : typer.Typer
    name : str
        Name of the command.
    module : str
        Module of `studies` or `benchmarks` with a `typer.Typer` named `app`.
    words : str
        One line of help.
    """

    @app.command(name, help=words, context_settings=PASSED_ON)
    def passed_on(context: typer.Context) -> None:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in ("studies", "benchmarks"):
                raise
            raise UserError(
                f"`{context.command_path}` is part of the source tree, not of the installed "
                "library: clone the repository and run it there"
            ) from None
        found.app(context.args, prog_name=context.command_path)
