"""`simulate`, `ingest` and what goes before it: spectra simulated or from files."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bayescannon.cli.console import NoSeed, Overwrite, PixelsRecipe, Seed, console, progress
from bayescannon.cli.report import report
from bayescannon.errors import UserError, plural
from bayescannon.files import check_output, output
from bayescannon.marks import PIXELS, QUARANTINE, SIMULATION
from bayescannon.model import Model
from bayescannon.recipe import PixelRecipe, Recipe
from bayescannon.simulate import make_apokasc, make_mock
from bayescannon.spectra import chip_of, pixel_index
from bayescannon.spectra.continuum import find_continuum
from bayescannon.spectra.ingest import expand, ingest_files


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for spectra.zarr, labels.ecsv, truth.ecsv.")],
    kind: Annotated[
        str,
        typer.Option(
            help="'apokasc' (1502 real stars' labels) or 'mock' (stars with known truth)."
        ),
    ] = "apokasc",
    stars: Annotated[int, typer.Option(min=1, help="How many stars ('mock' only).")] = 2000,
    overwrite: Overwrite = False,
    seed: Seed = 0,
) -> None:
    """Make SEMI-SYNTHETIC spectra: real labels and a real model, noise and hidden physics added."""
    if kind not in ("apokasc", "mock"):
        raise UserError(f"--kind {kind!r} is unknown: use 'apokasc' or 'mock'")
    with output(out, SIMULATION, overwrite) as beside:
        simulated = make_apokasc(seed) if kind == "apokasc" else make_mock(stars, seed)
        beside.mkdir()
        simulated.spectra.save(beside / "spectra.zarr")
        simulated.labels.write(beside / "labels.ecsv")
        simulated.truth.write(beside / "truth.ecsv")
    n_star = plural(len(simulated.spectra), "semi-synthetic star")
    console.print(f"{n_star} ({kind}, seed {seed}) in {out}")


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="apStar or aspcapStar files, folders, quoted globs, or lists (.txt: one a line)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Spectra store to write, or to go on with (.zarr).")],
    recipe: PixelsRecipe = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read files.")] = 1,
    resample: Annotated[
        bool, typer.Option("--resample", help="Resample other wavelength grids (specutils).")
    ] = False,
    visits: Annotated[
        bool, typer.Option("--visits", help="Read single visits (X, X#2, ...), for `repeats`.")
    ] = False,
    seed: NoSeed = 0,
) -> None:
    """Read SDSS spectra, mask bad pixels, divide by the continuum, and store them for a model.

    A file that cannot be read goes to OUT.quarantine.ecsv with the reason, and the rest goes on;
    a single bad file is an error. The same command again goes on where it was stopped, or adds
    the files that are new.
    """
    quarantine = out.with_name(f"{out.name}.quarantine.ecsv")
    check_output(quarantine, QUARANTINE, overwrite=True)
    pixels = Recipe.load(recipe).pixels if recipe else PixelRecipe()
    paths = expand(files)
    how = {"workers": workers, "resample": resample, "visits": visits}
    with progress("reading spectra", len(paths), rate=True) as update:
        done = ingest_files(paths, pixels, update, out=out, **how)
    bad = int(done.spectra.columns["bad_star"].sum())
    marked = f", {bad} of them marked bad_star by the survey's flags" if bad else ""
    console.print(f"{plural(len(done.spectra), 'spectrum', 'spectra')} in {out}{marked}")
    report.facts |= {"spectra": len(done.spectra), "bad": bad, "unread": len(done.quarantine)}
    if len(done.quarantine):
        done.quarantine.meta["creator"] = QUARANTINE.creator
        with output(quarantine, QUARANTINE, overwrite=True) as beside:
            done.quarantine.write(beside, format="ascii.ecsv")
        unread = plural(len(done.quarantine), "file")
        console.print(f"{unread} could not be read: see {quarantine}")
    else:
        quarantine.unlink(missing_ok=True)


def continuum_pixels(
    model: Annotated[Path, typer.Option(help="First model: folder, or name of a shipped one.")],
    out: Annotated[Path, typer.Option(help="Text file to write, for the recipe's [pixels].")],
    share: Annotated[float, typer.Option(help="Share of the pixels to choose.")] = 0.07,
    tolerance: Annotated[float, typer.Option(help="Largest distance of the flux from 1.")] = 0.015,
    overwrite: Overwrite = False,
) -> None:
    """Find continuum pixels: flux near one and no slope with any label, in a first model."""
    check_output(out, PIXELS, overwrite)
    first = Model.load(model)
    if first.wavelength is None:
        raise UserError(f"{model}: a model of channels has no continuum")
    index = pixel_index(first.wavelength)
    slopes = first.coefficients[:, 1 : 1 + len(first.labels)]
    chosen = find_continuum(
        first.coefficients[:, 0],
        slopes,
        chip_of(index),
        first.usable,
        tolerance=tolerance,
        share=share,
    )
    with output(out, PIXELS, overwrite) as beside:
        np.savetxt(beside, index[chosen], fmt="%d", header=PIXELS.creator)
    found = plural(chosen.sum(), "continuum pixel")
    console.print(f'{found} in {out}: [pixels] continuum = "{out}"')
