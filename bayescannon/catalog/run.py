"""`run_catalog`: spectra in, a folder with catalogue and draws out; any number of stars."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
from astropy.table import QTable, Table

from bayescannon.ages import Parsec
from bayescannon.catalog.block import (
    AGES,
    FAILED,
    PARTS,
    POSTERIORS,
    STARS_PER_BLOCK,
    BlockMaker,
    part_path,
)
from bayescannon.catalog.build import described
from bayescannon.catalog.carry import known_names
from bayescannon.catalog.executors import Executor, in_threads_here, on_cluster
from bayescannon.catalog.manifest import COMMAND, agree_on, describe_run, read_manifest
from bayescannon.catalog.write import failed_stars
from bayescannon.errors import UserError, reason
from bayescannon.files import check_space, resolved, sweep, work_in, write_beside
from bayescannon.flags import Flag, Tally
from bayescannon.marks import CATALOG, RUN
from bayescannon.model.by_state import AnyModel, parts_of
from bayescannon.posterior import make_prior
from bayescannon.precision import require_float64
from bayescannon.spectra import Spectra

MANIFEST = "manifest.json"
CHANNELS_AT_ONCE = 16
"""How many times more stars a block has where each is a few channels."""


def run_catalog(
    model: AnyModel,
    spectra: Spectra,
    out: str | os.PathLike,
    *,
    grid: Parsec | None = None,
    method: str = "auto",
    prior=None,
    age_prior: str = "flat-age",
    draws: int = 500,
    seed: int = 0,
    workers: int = 1,
    scheduler: str | None = None,
    keep_draws: bool = True,
    restart: bool = False,
    command: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> QTable:
    """Make a catalogue block by block; the same call again makes only what is missing.

    Parameters
    ----------
    model : Model or StateModels
        A trained model, or one for each evolutionary state; ages are made where it has the label
        `ln_mass`.
    spectra : Spectra
        Opened from a store, or in memory; channels serve as well as pixels.
    out : path
        Folder for `posteriors.zarr`, `ages.zarr` (draws in single precision), `blocks` (the rows
        of each), `failed.ecsv` (where stars failed) and `manifest.json`.
    grid : Parsec, optional
        Isochrone grid; the shipped one by default.
    method, prior, draws, seed
        As for `infer`.
    age_prior : str
        As for `infer_ages`.
    workers : int
        Blocks that are worked on at a time, in threads.
    scheduler : str, optional
        Address of a Dask cluster that runs, instead.
    keep_draws : bool
        Without, there are no `.zarr` stores, only the table.
    restart : bool
        Remove the run that is in the folder, and nothing else, and start anew.
    command : str, optional
        What the user typed, to be kept with the run and its table.
    progress : callable, optional
        Called with the number of stars done and how many of them are not good.

    Returns
    -------
    QTable
        All stars in the order of `spectra`, as from `build_catalog`. The draws, and so the table,
        are the same to the bit whoever works on the blocks.

    Raises
    ------
    UserError
        If there are no stars, the folder holds something else or another run, or another run works
        in it, if spectra cannot be read, or the disk is full; what is done is kept.
    """
    require_float64()
    if not len(spectra):
        raise UserError("there is no star to infer: the table or the store of spectra is empty")
    out = resolved(out)
    grid = (grid or Parsec.default()) if "ln_mass" in model.labels else None
    n_block = STARS_PER_BLOCK * (1 if spectra.channel is None else CHANNELS_AT_ONCE)
    settings = {"method": method, "draws": draws, "seed": seed}
    run = {
        **settings,
        "stars per block": n_block,
        "keep draws": keep_draws,
        "prior": make_prior(parts_of(model)[0], prior)[1],
        "age prior": age_prior,
    }
    described_run = describe_run(model, spectra, grid, run)
    how = {**settings, "prior": prior}, {"prior": age_prior, "draws": draws if keep_draws else 0}
    carry = known_names(spectra)
    make = BlockMaker(model, spectra, grid, out, *how, n_block, keep_draws, carry)
    if not (out / MANIFEST).exists():
        check_space(out, len(spectra) * _bytes_a_star(model, draws if keep_draws else 0))
    executor = in_threads_here(workers) if scheduler is None else on_cluster(scheduler)
    with executor as run_blocks, work_in(out, RUN, MANIFEST):
        if restart:
            _remove_run(out)
        agree_on(out / MANIFEST, described_run | {COMMAND: command})
        (out / PARTS).mkdir(exist_ok=True)
        done = bad = 0
        for part in _parts(make, run_blocks):
            done, bad = done + part.stars, bad + part.bad
            if progress is not None:
                progress(done, bad)
        sweep(out)  # a cluster goes on when a worker dies
        table = _gather(make)
        made = read_manifest(out / MANIFEST)
    table.meta |= {"data": made["data"], "run": made, "post_certificate": made["certificate"]}
    return table


def _bytes_a_star(model: AnyModel, draws: int) -> int:
    """Of a row of the table, of draws of labels and ages, and of two densities for each draw."""
    ages = 3 if "ln_mass" in model.labels else 0
    return 400 + draws * (4 * (len(model.labels) + ages) + 2 * 8)


def _remove_run(out: Path) -> None:
    """Remove a run, first the parts, which say what is done, last what says whose folder it is."""
    if (out / MANIFEST).exists():
        read_manifest(out / MANIFEST)  # what only has its name is not ours
    tables = [f"catalog{suffix}" for suffix in CATALOG.suffixes]
    for name in dict.fromkeys((PARTS, POSTERIORS, AGES, FAILED, *tables, MANIFEST)):
        if (out / name).exists():
            (out / name).rename(out / f".old-0-{name}")
    sweep(out)


def _parts(make: BlockMaker, run_blocks: Executor) -> Iterator[Tally]:
    """Give what is done already, then make the blocks that are missing."""
    missing = []
    for k in range(make.n_blocks):
        part = part_path(make.out, k)
        if part.exists():
            yield Tally.of(dict(read_columns(part, ["flags"]))["flags"])
        else:
            missing.append(k)
    if missing and make.keep_draws and not make.has_stores:
        yield make(missing.pop(0))  # which gives the stores their layout
    yield from run_blocks(make, missing)


def _gather(make: BlockMaker) -> QTable:
    """Put all parts into one table, and all failures into one file."""
    parts = [part_path(make.out, k) for k in range(make.n_blocks)]
    table = described(read_columns(parts))
    lost = np.flatnonzero(table["flags"] & Flag.FAILED)
    reasons: dict[str, str] = {}
    for k in np.unique(lost // make.stars_per_block):
        reasons |= failed_stars(parts[k])
    if reasons:
        failed = Table({"star_id": list(reasons), "reason": list(reasons.values())})
        with write_beside(make.out / FAILED) as beside:
            failed.write(beside, format="ascii.ecsv")
    return table


def read_columns(
    parts: Path | list[Path], names: list[str] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Read the columns of the rows of blocks, one after the other."""
    try:
        stored = pyarrow.parquet.read_table(parts, columns=names)
    except pyarrow.ArrowException as error:
        raise UserError(f"{parts}: damaged ({reason(error)}); delete it and run again") from error
    for name in stored.column_names:
        values = stored[name].to_numpy()
        yield name, values.astype(str) if values.dtype == object else values
        stored = stored.drop_columns(name)  # who copies it does not hold a large table twice
