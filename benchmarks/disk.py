"""What benchmarks put on disk, and how long reading and writing it takes by itself."""

import multiprocessing
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import zarr

from bayescannon.spectra import Spectra

BARE = "one process, same codecs, cache dropped before and disk synchronised after, as in the run"
ROWS = 2048
"""Stars that are copied at a time."""


def new_processes(workers: int) -> ProcessPoolExecutor:
    """Give processes that share nothing with this one; fork is not safe beside JAX's threads."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def repeat_spectra(spectra: Spectra, stars: int, store: Path | None) -> Spectra:
    """Repeat spectra under new names up to a number of stars, on disk where a store is given."""
    if store is None:
        take = np.arange(stars) % len(spectra)
        flux, ivar = spectra.arrays()
        names = [f"star-{i:07d}" for i in range(stars)]
        kind = {"channel": spectra.channel}
        return Spectra(spectra.wavelength, flux[take], ivar[take], names, **kind)
    one = spectra.data.astype("float32").drop_encoding()
    for start in range(0, stars, len(spectra)):
        count = min(len(spectra), stars - start)
        names = np.array([f"star-{i:07d}" for i in range(start, start + count)])
        part = one.isel(star=slice(count)).assign_coords(star_id=("star", names))
        if start == 0:
            chunks = (min(512, count), one.sizes["pixel"])
            encoding = {name: {"chunks": chunks} for name in ("flux", "ivar")}
            part.to_zarr(store, mode="w", consolidated=False, encoding=encoding)
        else:
            part = part.drop_vars([k for k, v in part.variables.items() if "star" not in v.dims])
            part.to_zarr(store, append_dim="star", consolidated=False)
    return Spectra.open(store)


def bare_times(store: Path, outs: list[Path], copy: Path) -> tuple[float, float]:
    """Time reading all spectra and writing all draws, in blocks, and nothing else.

    What is read comes from the disk, and what is written is on it when the clock stops.
    """
    forget(store)
    spectra = Spectra.open(store)
    begin = time.perf_counter()
    for start in range(0, len(spectra), 512):
        part = spectra.data.isel(star=slice(start, start + 512))
        _ = part.flux.values, part.ivar.values
    read = time.perf_counter() - begin
    write = 0.0
    for out in outs:
        for group in ("posterior", "sample_stats", "point"):
            source = zarr.open_group(out, path=group, mode="r")
            target = zarr.open_group(copy, path=f"{out.name}/{group}", mode="w")
            for name, stored in source.arrays():
                same = {k: getattr(stored, k) for k in ("shape", "dtype", "chunks", "compressors")}
                write += _copy(stored, target.create_array(name, **same), len(spectra))
    begin = time.perf_counter()
    os.sync()
    write += time.perf_counter() - begin
    shutil.rmtree(copy)
    return read, write


def forget(folder: Path) -> None:
    """Write a folder's files out and drop them from memory: the next read is one of the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and hasattr(os, "posix_fadvise"):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _copy(stored: zarr.Array, new: zarr.Array, n_star: int) -> float:
    """Copy an array in blocks of stars; give the seconds that writing took."""
    axis = next((k for k, n in enumerate(stored.shape) if n == n_star), None)
    seconds = 0.0
    for start in range(0, 1 if axis is None else n_star, ROWS):
        rows = slice(start, start + ROWS)
        at = tuple(rows if k == axis else slice(None) for k in range(stored.ndim))
        values = stored[at]
        begin = time.perf_counter()
        new[at] = values
        seconds += time.perf_counter() - begin
    return seconds
