"""`simulate` and `ingest`: spectra from made data and from files."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from ..files import write_beside
from ..ingest import ingest_files
from ..recipe import PixelRecipe, Recipe
from ..simulate import make_apokasc, make_mock
from .console import Seed, UnusedSeed, console, progress


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for spectra.zarr, labels.ecsv, truth.ecsv.")],
    kind: Annotated[
        str,
        typer.Option(
            help="'apokasc' (1502 real stars' labels) or 'mock' (stars with known truth)."
        ),
    ] = "apokasc",
    stars: Annotated[int, typer.Option(min=1, help="How many stars ('mock' only).")] = 2000,
    seed: Seed = 0,
) -> None:
    """Make SEMI-SYNTHETIC spectra: real labels and a real model, noise and hidden physics added."""
    if kind not in ("apokasc", "mock"):
        raise UserError(f"--kind {kind!r} is unknown: use 'apokasc' or 'mock'")
    made = make_apokasc(seed) if kind == "apokasc" else make_mock(stars, seed)
    with write_beside(out) as beside:
        beside.mkdir()
        made.spectra.save(beside / "spectra.zarr")
        made.labels.write(beside / "labels.ecsv")
        made.truth.write(beside / "truth.ecsv")
    console.print(f"{len(made.spectra)} semi-synthetic stars ({kind}, seed {seed}) in {out}")


def ingest(
    files: Annotated[list[Path], typer.Argument(help="apStar or aspcapStar files, or folders.")],
    out: Annotated[Path, typer.Option(help="Spectra store to write (.zarr).")],
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose [pixels] to follow; the defaults without.")
    ] = None,
    seed: UnusedSeed = 0,
) -> None:
    """Read SDSS spectra, mask bad pixels, divide by the continuum, and store them for a model.

    A file that cannot be read goes to OUT.quarantine.ecsv with the reason, and the rest goes on;
    a single bad file is an error.
    """
    pixels = Recipe.load(recipe).pixels if recipe else PixelRecipe()
    paths = expand(files)
    with progress("reading spectra", len(paths)) as update:
        done = ingest_files(paths, pixels, update)
    done.spectra.save(out)
    console.print(f"{len(done.spectra)} spectra in {out}")
    if len(done.quarantine):
        quarantine = out.with_name(f"{out.name}.quarantine.ecsv")
        with write_beside(quarantine) as beside:
            done.quarantine.write(beside, format="ascii.ecsv")
        console.print(f"{len(done.quarantine)} files could not be read: see {quarantine}")


def expand(files: list[Path]) -> list[Path]:
    """Replace each folder by the FITS files in it, sorted by name."""
    out: list[Path] = []
    for path in files:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.name.endswith((".fits", ".fits.gz")))
            if not found:
                raise UserError(f"{path}: no .fits or .fits.gz file in this folder")
            out += found
        else:
            out.append(path)
    return out
