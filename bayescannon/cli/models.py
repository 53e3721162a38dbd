"""`models`: which models ship, what a model is, and whether its folder is whole."""

from typing import Annotated

import numpy as np
import typer

from bayescannon.calibration import verdict_of
from bayescannon.cli.console import console, text_table
from bayescannon.cli.lazy import plain_app
from bayescannon.cli.report import report
from bayescannon.data import shipped_models, shipped_recipes
from bayescannon.errors import UserError
from bayescannon.model import AnyModel, load
from bayescannon.model.by_state import parts_of
from bayescannon.model.checks import data_mark
from bayescannon.recipe import Recipe

Name = Annotated[str, typer.Argument(help="Model folder, or the name of a shipped model.")]

app = plain_app(no_args_is_help=True)


@app.callback()
def models() -> None:
    """List, show and check models."""


@app.command("list")
def list_models() -> None:
    """List what ships: models and recipes.

    Their names serve wherever a model or a recipe is asked for.
    """
    shipped = shipped_models()
    recipes = [name for name in shipped_recipes() if name not in shipped]
    found = [_facts(load(name)) for name in shipped]
    report.facts |= {"models": found, "recipes": recipes}
    rows = [
        (m["name"], ", ".join(m["labels"]), f"{m['pixels']} {m['axis']}", m["data"]) for m in found
    ]
    of_recipes = ((name, ", ".join(Recipe.load(name).labels.names)) for name in recipes)
    rows += [(name, labels, "recipe only", "") for name, labels in of_recipes]
    console.print(text_table(("model", "labels", "of", "data"), rows))


@app.command()
def show(model: Name) -> None:
    """Print the card of a model.

    It says what the model was trained on, for what, its limits, and whether intervals hold.
    """
    found = load(model)
    report.facts |= _facts(found)
    console.print(f"{parts_of(found)[0].card.rstrip()}\n\nid {found.id}")


@app.command()
def check(model: Name) -> None:
    """Refuse a model whose folder is damaged.

    All of it is read, and its pixels must be numbers.
    """
    found = load(model)
    for part in parts_of(found):
        flux = part.predict(part.scaling.pivot)[:, part.usable]
        if not (np.isfinite(flux).all() and np.isfinite(part.scatter[part.usable]).all()):
            raise UserError(f"{model}: has pixels that are not numbers: restore it, or train again")
    report.facts |= _facts(found)
    console.print(f"{found.name} is whole, id {found.id}; {verdict_of(found.certificate)}")


def _facts(model: AnyModel) -> dict:
    """What a line of `list` says, as JSON can hold it."""
    first = parts_of(model)[0]
    report = first.report or {}
    return {
        "name": model.name,
        "id": model.id,
        "labels": list(model.labels),
        "axis": "pixels" if model.channel is None else "channels",
        "pixels": len(first.scatter),
        "stars": sum((part.report or {}).get("stars", 0) for part in parts_of(model)),
        "data": data_mark(report) or "real",
        "certificate": verdict_of(model.certificate),
    }
