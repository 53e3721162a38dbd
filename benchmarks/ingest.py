"""`bench ingest`: how fast files become a store, beside a loop that only touches their arrays."""

import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.io import fits
from xxhash import xxh3_128_hexdigest

from bayescannon.cli.console import console, progress
from bayescannon.recipe import PixelRecipe
from bayescannon.simulate import make_mock
from bayescannon.spectra import read_spectrum
from bayescannon.spectra.grid import pixel_index_of_size
from bayescannon.spectra.ingest import ingest_files
from bayescannon.spectra.ingest.block import FILES_PER_BLOCK, join, read_block
from bayescannon.spectra.ingest.store import GrowingStore
from benchmarks.disk import new_processes

TEMPLATES = 100
NOBODY = "2M99999999+9999999"
VISIT_CARDS = ("SFILE", "DATE", "JD", "FIBER", "BC", "VRAD", "VERR", "VHELIO", "RVTEFF", "FLAG")


def ingest(
    files: Annotated[int, typer.Option(min=256, help="How many apStar files to make.")] = 2000,
    workers: Annotated[int, typer.Option(min=2, help="Reading threads, beside one.")] = 2,
    repeat: Annotated[int, typer.Option(min=1, help="Rounds, each of all loops in turn.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="Where to make files (1 MB each).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the spectra.")] = 0,
) -> None:
    """Time `ingest` beside a bare FITS loop.

    The loop reads the same files with astropy.io.fits in the same run.

    The files are made after the data model of apStar (DR12): one to four visits, seven images, an
    LSF and a table of velocities; the star in them is SEMI-SYNTHETIC. Checksum and Zarr write are
    included.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        with progress("making files", files) as update:
            paths = make_files(Path(scratch), files, seed, update)
        size = sum(path.stat().st_size for path in paths) / 1e9
        console.print(f"{files} apStar files, {size:.2f} GB")
        _parts(paths[: 4 * FILES_PER_BLOCK], Path(scratch))
        at_once = _bare_at_once(paths, workers)
        console.print(f"{workers} bare loops at once: {at_once:.0f} files a second together")
        for turn in range(repeat):
            bare, bare_cpu = _bare(paths)
            words = [f"round {turn + 1}: bare loop {bare:.0f} files a second"]
            for n in (1, workers):
                rate, cpu = _ingest(paths, Path(scratch) / f"{turn}-{n}.zarr", n)
                words.append(
                    f"{n} worker{'s' * (n > 1)} {rate:.0f} ({rate / bare:.2f} of it, "
                    f"by CPU time {cpu / bare_cpu:.2f})"
                )
            console.print("; ".join(words))


def make_files(
    folder: Path, files: int, seed: int, update: Callable[[int], None]
) -> Sequence[Path]:
    """Write apStar files of giants with known labels at S/N 50 to 300.

    There are `TEMPLATES` different ones; the others repeat them under another star id.
    """
    rng = np.random.default_rng(seed)
    simulated = make_mock(TEMPLATES, seed).spectra
    shape = np.ones((TEMPLATES, 8575))
    shape[:, pixel_index_of_size(simulated.flux.shape[1])] = np.where(
        simulated.ivar > 0, simulated.flux, 1.0
    )
    x = np.linspace(-1, 1, 8575)
    contents, out = [], []
    for i in range(files):
        if i < TEMPLATES:
            rows = rng.choice([1, 4, 5, 6], p=[0.2, 0.2, 0.4, 0.2])
            level = 300 * (1 + 0.2 * x * rng.normal() - 0.1 * x**2)
            error = np.broadcast_to(level / rng.uniform(50, 300), (rows, 8575))
            flux = level * shape[i] + error * rng.normal(size=(rows, 8575))
            mask = np.where(rng.uniform(size=(rows, 8575)) < 0.02, 4096, 0)
            stored = io.BytesIO()
            _hdus(NOBODY, flux, error, mask, rng).writeto(stored)
            contents.append(stored.getvalue())
        star_id = f"2M{i:08d}+0000000"
        out.append(folder / f"apStar-r5-{star_id}.fits")
        out[-1].write_bytes(contents[i % TEMPLATES].replace(NOBODY.encode(), star_id.encode()))
        update(i + 1)
    return out


def _hdus(star_id: str, flux, error, mask, rng) -> fits.HDUList:
    head = fits.Header()
    head["OBJID"], head["SNR"], head["STARFLAG"] = star_id, float((flux / error).mean()), 0
    for visit in range(1, max(1, len(flux) - 2) + 1):
        for key in VISIT_CARDS:
            head[f"{key}{visit}"] = (rng.normal(), f"{key.lower()} of visit {visit}")
    for k in range(60):
        head[f"KEY{k}"] = (rng.normal(), "as many cards as the survey writes")
    floats = [np.float32(a if len(a) > 1 else a[0]) for a in (flux, error)]
    images = [*floats, np.int16(mask if len(mask) > 1 else mask[0]), *[floats[1]] * 4]
    hdus: list = [fits.PrimaryHDU(header=head)]
    for data in images:
        image = fits.ImageHDU(data)
        image.header["CRVAL1"], image.header["CDELT1"], image.header["CRPIX1"] = 4.179, 6e-6, 1
        image.header["CTYPE1"] = "LOG-LINEAR"
        hdus.append(image)
    hdus.append(fits.ImageHDU(np.zeros(27)))
    columns = [fits.Column(name, "401E", array=np.zeros((1, 401))) for name in ("X_CCF", "CCF")]
    return fits.HDUList([*hdus, fits.BinTableHDU.from_columns(columns)])


def _bare(paths: Sequence[Path]) -> tuple[float, float]:
    """Files a second, and files a CPU second."""
    begin, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        with fits.open(path) as hdus:
            _ = hdus[1].header["CRVAL1"]
            for hdu in (1, 2, 3):
                np.atleast_2d(hdus[hdu].data)[0].sum()
    return len(paths) / (time.perf_counter() - begin), len(paths) / (time.process_time() - cpu)


def _bare_at_once(paths: Sequence[Path], workers: int) -> float:
    """Files a second that bare loops in several processes read together: what the cores can do."""
    with new_processes(workers) as pool:
        while len(set(pool.map(_who, range(workers)))) < workers:
            pass  # some have not started
        begin = time.perf_counter()
        list(pool.map(_bare, [paths[k::workers] for k in range(workers)]))
        return len(paths) / (time.perf_counter() - begin)


def _who(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def _ingest(paths: Sequence[Path], out: Path, workers: int) -> tuple[float, float]:
    """Files a second, and files a CPU second."""
    begin, cpu = time.perf_counter(), time.process_time()
    ingest_files(paths, out=out, workers=workers)
    return len(paths) / (time.perf_counter() - begin), len(paths) / (time.process_time() - cpu)


def _parts(paths: Sequence[Path], scratch: Path) -> None:
    """Say where one worker's time goes, in ms a file."""
    pixels = PixelRecipe()
    parts = [paths[i : i + FILES_PER_BLOCK] for i in range(0, len(paths), FILES_PER_BLOCK)]
    blocks = [read_block(part, pixels) for part in parts]  # compiles, and fills the disk cache
    store = GrowingStore(scratch / "parts.zarr", pixels)
    flux, ivar, columns, _, _ = join(blocks)
    raw = [path.read_bytes() for path in paths]
    steps = {
        "bare loop": lambda: _bare(paths),
        "read bytes": lambda: [path.read_bytes() for path in paths],
        "checksum": lambda: [xxh3_128_hexdigest(r) for r in raw],
        "bytes, checksum, FITS, mask": lambda: [read_spectrum(path) for path in paths],
        "all but the store": lambda: [read_block(part, pixels) for part in parts],
        "store": lambda: store.append(flux, ivar, columns),
    }
    words = []
    for name, step in steps.items():
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        words.append(f"{name} {1000 * wall / len(paths):.2f} ({1000 * cpu / len(paths):.2f} CPU)")
    console.print("one worker, ms a file: " + ", ".join(words))
