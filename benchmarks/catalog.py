"""`bench catalog`: a survey from a store on disk to catalogue and draws on disk."""

import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bayescannon.ages import Parsec, infer_ages
from bayescannon.catalog import build_catalog, run_catalog, write_catalog
from bayescannon.catalog.block import AGES, POSTERIORS, STARS_PER_BLOCK, BlockMaker, Result
from bayescannon.cli.console import console, progress
from bayescannon.data import model_path
from bayescannon.model import Model
from bayescannon.posterior import infer, open_posterior
from bayescannon.spectra import Spectra
from benchmarks.disk import BARE, bare_times, forget, new_processes, repeat_spectra
from benchmarks.infer import DIFFERENT_STARS, SHIPPED, ModelOption, peak_memory
from benchmarks.infer import SeedOption as Seed
from benchmarks.simulated import SimulatedSpectra
from studies.from_model import simulate_stars

STAGED_BLOCKS = 4


def catalog(
    stars: Annotated[int, typer.Option(min=1, help="How many stars, of S/N 20 to 400.")] = 70_000,
    method: Annotated[str, typer.Option(help="Method of `infer`.")] = "importance",
    model: ModelOption = SHIPPED,
    draws: Annotated[int, typer.Option(min=2, help="Posterior draws per star.")] = 500,
    workers: Annotated[int, typer.Option(min=1, help="Blocks worked on at a time.")] = 1,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make spectra as they are read; none is on disk.")
    ] = False,
    disk: Annotated[Path | None, typer.Option(help="Folder with space (20 GB for 70,000).")] = None,
    seed: Seed = 0,
) -> None:
    """Time `catalog` on semi-synthetic stars.

    Bare reading and writing of the same bytes are timed beside it.

    2048 different stars are made; more repeat their spectra under other names. With --generate all
    differ, and the time that making them takes is stated apart.
    """
    trained = Model.load(model_path(model))
    with tempfile.TemporaryDirectory(dir=disk) as folder:
        store, out = Path(folder) / "spectra.zarr", Path(folder) / "catalog"
        if generate:
            spectra: Spectra = SimulatedSpectra(trained, np.arange(stars), seed)
        else:
            with new_processes(1) as pool:  # what making them takes is not the run's memory
                pool.submit(_make_store, model, stars, seed, store).result()
            spectra = Spectra.open(store)
        settings: dict[str, Any] = {"method": method, "draws": draws, "seed": seed}
        _warm(trained, spectra, Path(folder) / "warm", settings)
        forget(Path(folder))
        begin = time.perf_counter()
        with progress("stars", stars, rate=True) as update:
            table = run_catalog(trained, spectra, out, workers=workers, progress=update, **settings)
        blocks = time.perf_counter() - begin
        write_catalog(table, out / "catalog.fits")
        os.sync()
        whole = time.perf_counter() - begin
        flagged = int((np.asarray(table["flags"]) != 0).sum())
        console.print(
            f"{stars} stars, {method}, {workers} worker{'s' * (workers > 1)}: {whole:.1f} s "
            f"({1000 * whole / stars:.3f} ms a star), of which {whole - blocks:.1f} s for the FITS "
            f"file and the last bytes to the disk; {flagged} flagged; peak memory "
            f"{peak_memory():.2f} GiB, largest other process "
            f"{peak_memory(resource.RUSAGE_CHILDREN):.2f} GiB; load {os.getloadavg()[0]:.1f}"
        )
        if not generate:
            bare = bare_times(store, [out / POSTERIORS, out / AGES], Path(folder) / "copy")
            console.print(
                f"bare read of the spectra {bare[0]:.1f} s and bare write of the draws "
                f"{bare[1]:.1f} s ({BARE}): {whole / sum(bare):.2f} times that"
            )
        _stages(trained, spectra, out, settings)
        _one_star(out / POSTERIORS, str(spectra.star_id[-1]))


def _make_store(model: Path, stars: int, seed: int, store: Path) -> None:
    different = simulate_stars(Model.load(model_path(model)), min(stars, DIFFERENT_STARS), seed)
    repeat_spectra(different.spectra, stars, store)


def _warm(model: Model, spectra: Spectra, out: Path, settings: dict[str, Any]) -> None:
    """Compile, or load compiled programs, on one block."""
    begin = time.perf_counter()
    run_catalog(model, spectra[:STARS_PER_BLOCK], out, **settings)
    console.print(f"one block, compilation included: {time.perf_counter() - begin:.1f} s")


def _stages(model: Model, spectra: Spectra, out: Path, settings: dict[str, Any]) -> None:
    """Make some blocks again in this process, stage by stage."""
    maker = BlockMaker(model, spectra, Parsec.default(), out, settings | {"prior": None}, {})
    names, spent = ("read", "labels", "ages", "table", "write"), np.zeros(5)
    n_blocks = min(STAGED_BLOCKS, maker.n_blocks)
    for k in range(n_blocks):
        ticks = [time.perf_counter()]
        part = maker.block(k)
        part.arrays(np.float32)
        ticks.append(time.perf_counter())
        post = infer(model, part, **settings)
        ticks.append(time.perf_counter())
        ages = infer_ages(post, maker.grid)
        ticks.append(time.perf_counter())
        table = build_catalog(post, ages)
        ticks.append(time.perf_counter())
        maker.write(k, Result({POSTERIORS: post, AGES: ages}, table, {}))
        ticks.append(time.perf_counter())
        spent += np.diff(ticks)
    each = 1000 * spent / min(n_blocks * STARS_PER_BLOCK, len(spectra))
    words = ", ".join(f"{name} {ms:.3f}" for name, ms in zip(names, each, strict=True))
    console.print(f"ms a star in this process alone: {words}")


def _one_star(store: Path, name: str) -> None:
    """Time how long the draws of one star take to find."""
    begin = time.perf_counter()
    posterior = open_posterior(store)["posterior"]
    opened = time.perf_counter()
    posterior.sel(star=name).to_dataset().load()
    end = time.perf_counter()
    took = 1000 * (end - opened), 1000 * (opened - begin)
    console.print(f"draws of one star by id: {took[0]:.1f} ms, and {took[1]:.0f} to open the store")
