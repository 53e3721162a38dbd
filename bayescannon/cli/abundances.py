"""`catalog-abundances`: masses and ages of every giant of an allStar table."""

import warnings
from pathlib import Path
from typing import Annotated

import typer
from astropy.table import QTable, vstack

from ..ages import infer_ages
from ..catalog import build_catalog, write_catalog
from ..catalog.evolution import flag_not_single
from ..data import model_path
from ..flags import Flag
from ..infer import infer
from ..model.by_state import StateModels
from ..spectra import Spectra
from ..spectra.abundances import read_abundances
from ..validate.abundances import real_giants
from .console import Seed, console, progress

STARS_AT_ONCE = 8192
"""Draws of so many stars are held at a time."""


def catalog_abundances(
    table: Annotated[Path, typer.Option(help="allStar table, DR12 to DR17 (FITS).")],
    model: Annotated[Path, typer.Option(help="Models by state: folder, or a shipped name.")] = Path(
        "apokasc-abundances"
    ),
    out: Annotated[Path, typer.Option(help=".fits or .ecsv file to write.")] = Path("catalog.fits"),
    shift: Annotated[
        bool, typer.Option("--shift", help="Put [C/M], [N/M] on the training zero points.")
    ] = False,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 200,
    method: Annotated[str, typer.Option(help="importance, laplace or nuts.")] = "importance",
    seed: Seed = 0,
) -> None:
    """Masses and ages from catalogue abundances, one row a star."""
    models = StateModels.load(model_path(model))
    training, _, _ = real_giants()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stars = read_abundances(table, training, shift)
    for warning in caught:
        console.print(f"warning: {warning.message}", style="yellow")
    parts = []
    with progress("stars", len(stars)) as update:
        for start in range(0, len(stars), STARS_AT_ONCE):
            block = stars[start : start + STARS_AT_ONCE]
            parts.append(abundance_catalog(models, block, method=method, draws=draws, seed=seed))
            update(start + len(block))
    found = vstack(parts, metadata_conflicts="silent") if len(parts) > 1 else parts[0]
    write_catalog(found, out)
    odd = int(((found["flags"] & int(Flag.NOT_SINGLE_STAR)) != 0).sum())
    console.print(f"{len(found)} stars in {out}, {odd} flagged NOT_SINGLE_STAR")


def abundance_catalog(models: StateModels, stars: Spectra, **settings) -> QTable:
    """Infer, date and sum up some stars; settings are those of `infer`."""
    post = infer(models, stars, **settings)
    return flag_not_single(build_catalog(post, infer_ages(post)))
