"""`models`: which models ship, what a model is, and whether its folder is whole."""

import json
from typing import Annotated

import numpy as np
import typer

from bayescannon.calibration import verdict_of
from bayescannon.cli.console import AsJson, console, text_table
from bayescannon.cli.lazy import plain_app
from bayescannon.data import shipped_models
from bayescannon.errors import UserError
from bayescannon.model import AnyModel, load
from bayescannon.model.by_state import parts_of
from bayescannon.model.checks import data_mark

Name = Annotated[str, typer.Argument(help="Model folder, or the name of a shipped model.")]

app = plain_app(no_args_is_help=True)


@app.callback()
def models() -> None:
    """List, show and check models."""


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that ship; their names serve wherever a model or recipe is asked for."""
    found = [_facts(load(name)) for name in shipped_models()]
    if as_json:
        print(json.dumps(found))
        return
    rows = [
        (m["name"], ", ".join(m["labels"]), f"{m['pixels']} {m['axis']}", m["data"]) for m in found
    ]
    console.print(text_table(("model", "labels", "of", "data"), rows))


@app.command()
def show(model: Name, as_json: AsJson = False) -> None:
    """Print the card of a model: what it was trained on, for what, its limits, its certificate."""
    found = load(model)
    if as_json:
        print(json.dumps(_facts(found)))
        return
    console.print(f"{parts_of(found)[0].card.rstrip()}\n\nid {found.id}")


@app.command()
def check(model: Name, as_json: AsJson = False) -> None:
    """Read a model whole, and refuse it if its folder is damaged or its numbers are none."""
    found = load(model)
    for part in parts_of(found):
        flux = part.predict(part.scaling.pivot)[:, part.usable]
        if not (np.isfinite(flux).all() and np.isfinite(part.scatter[part.usable]).all()):
            raise UserError(f"{model}: has pixels that are not numbers: restore it, or train again")
    if as_json:
        print(json.dumps(_facts(found)))
        return
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
