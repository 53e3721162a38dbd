"""`catalog`: from spectra, or from posteriors that exist, to a table that can be published."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.table import QTable

from ..catalog import build_catalog, check_suffixes, run_catalog, write_catalog
from ..data import model_path
from ..flags import Flag
from ..infer import open_posterior
from ..model import load
from ..spectra import Spectra
from .ages import isochrones
from .console import Seed, console, progress


def catalog(
    source: Annotated[
        Path, typer.Argument(help="Spectra store, with --model; or a posterior store of `infer`.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="Model folder, or the name of a shipped model.")
    ] = None,
    ages: Annotated[
        Path | None, typer.Option(help="With a posterior store: age store of `ages`.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write [catalog.fits]; with --model a folder [catalog]."),
    ] = None,
    formats: Annotated[
        list[str], typer.Option("--format", help="With --model: suffix of a file; may be repeated.")
    ] = ["fits"],  # noqa: B006
    method: Annotated[str, typer.Option(help="As for `infer`.")] = "auto",
    prior: Annotated[str | None, typer.Option(help="As for `infer`.")] = None,
    age_prior: Annotated[str, typer.Option(help="As for `ages`.")] = "flat-age",
    grid: Annotated[Path | None, typer.Option(help="Isochrone grid; PARSEC without.")] = None,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    workers: Annotated[int, typer.Option(min=1, help="Processes of this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask cluster that runs, instead.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Remove the run in the folder and start anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    seed: Seed = 0,
) -> None:
    """Write quantiles of labels, masses and ages, one row a star.

    With --model from spectra, in blocks: labels and ages are inferred, draws are kept, and the
    same command again makes only what is missing. Without, from stores that exist.
    """
    if model is None:
        table = build_catalog(open_posterior(source), open_posterior(ages) if ages else None)
        target = out or Path("catalog.fits")
        write_catalog(table, target)
        _report(table, target, as_json)
        return
    folder = out or Path("catalog")
    trained, spectra = load(model_path(model)), Spectra.open(source)
    targets = [folder / f"catalog.{suffix}" for suffix in formats]
    check_suffixes(targets)
    with progress("stars", len(spectra), rate=True) as update:
        table = run_catalog(
            trained,
            spectra,
            folder,
            grid=isochrones(grid),
            method=method,
            prior=prior,
            age_prior=age_prior,
            draws=draws,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            restart=restart,
            progress=update,
        )
    for target in targets:
        write_catalog(table, target)
    _report(table, folder, as_json)


def _report(table: QTable, out: Path, as_json: bool) -> None:
    """Say how many stars there are, and how many with each flag."""
    flags = np.asarray(table["flags"])
    counts = {f.name: int((flags & f > 0).sum()) for f in Flag if (flags & f).any()}
    flagged = int((flags != 0).sum())
    if as_json:
        print(json.dumps({"stars": len(table), "flagged": flagged, "flags": counts}))
        return
    console.print(f"{len(table)} stars, {flagged} flagged, {len(table.colnames)} columns in {out}")
    for name, count in Counter(counts).most_common():
        console.print(f"  {name:<18} {count}")
