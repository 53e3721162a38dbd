"""From files of spectra to `Spectra` that a model can use, in memory or in a store."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import batched
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from bayescannon.batches import in_order
from bayescannon.errors import UserError
from bayescannon.files import check_output, growing
from bayescannon.marks import SPECTRA
from bayescannon.precision import require_float64
from bayescannon.recipe import PixelRecipe
from bayescannon.spectra import STARS_PER_CHUNK, Spectra, apogee_wavelength
from bayescannon.spectra.ingest.block import (
    FILES_PER_BLOCK,
    Block,
    continuum_mask,
    join,
    read_block,
)
from bayescannon.spectra.ingest.store import GrowingStore
from bayescannon.star_ids import Namer

Part = tuple[Path | None, ...]
IN_FLIGHT = 3
"""Blocks per worker that may wait to be stored: enough to keep workers busy, and memory flat."""


class Ingested(NamedTuple):
    """Spectra that could be read, and a table (file, reason) of files that could not."""

    spectra: Spectra
    quarantine: Table


def ingest_files(
    paths: Sequence[str | Path],
    pixels: PixelRecipe | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    out: str | os.PathLike | None = None,
    workers: int = 1,
    resample: bool = False,
    visits: bool = False,
) -> Ingested:
    """Read apStar or aspcapStar files and normalise them.

    Parameters
    ----------
    paths : sequence of path
        One file a star. Of two files with one star id the later gets `#2` appended; a second
        copy of a file goes to the quarantine.
    pixels : PixelRecipe, optional
        Grid, bad bits, error floor and continuum; a recipe's or model's `pixels`.
    progress : callable, optional
        Called with the number of files done.
    out : path, optional
        Zarr store to write and open; without it the spectra stay in memory. If it exists, files
        that it holds are skipped and the rest is appended. Killed at any moment, it opens with
        what was committed, and the same call again brings it to the same content.
    workers : int
        Threads that read. Reading, checksum, continuum and compression leave Python's lock, so
        that two make use of two cores, and threads need no seconds to start.
    resample : bool
        Resample files on other grids, with a `CovarianceWarning`, instead of refusing them.
    visits : bool
        Read the single visits of apStar and asStar files, not the combined spectrum: rows X, X#2,
        X#3 of star X. They are gathered in memory; an `out` that exists is refused.

    Returns
    -------
    Ingested

    Raises
    ------
    UserError
        If the only file given is bad, none of several is good, `out` holds something else or may
        not be written, or another run writes there.
    """
    require_float64()
    pixels = pixels or PixelRecipe()
    continuum_mask(pixels)  # a wrong recipe is refused before anything is written
    if not paths:
        raise UserError("no file was given")
    if visits and out is not None:
        # a store grows by files: it could not tell which visits of one are missing
        check_output(out, SPECTRA)
    grown = None if visits else out
    read = partial(read_block, pixels=pixels, resample=resample, visits=visits)
    with nullcontext() if grown is None else growing(grown, SPECTRA) as path:
        store = None if path is None else GrowingStore(path, pixels)
        stars = _read_all(paths, read, store, workers, progress)
    quarantine = Table(rows=stars.bad or None, names=("file", "reason"), dtype=(str, str))
    spectra = stars.in_memory(pixels) if store is None else Spectra.open(store.path)
    if visits and out is not None:
        spectra.save(out)
    return Ingested(spectra, quarantine)


def _read_all(
    paths: Sequence[str | Path],
    read: Callable[[Part], Block],
    store: GrowingStore | None,
    workers: int,
    progress: Callable[[int], None] | None,
) -> "_Stars":
    """Read the files that the store does not hold yet."""
    have = set() if store is None else set(store.known.source.values)
    stars = _Stars(store)
    parts = [
        tuple(Path(path) if str(path) not in have else None for path in part)
        for part in batched(paths, FILES_PER_BLOCK)
    ]
    done = sum(path is None for part in parts for path in part)
    for block in _blocks([part for part in parts if any(part)], read, workers):
        stars.add(block)
        done += block.files
        if progress is not None:
            progress(done)
    stars.flush()
    if not stars.count:
        first = stars.bad[0][1]
        if len(paths) == 1:
            raise UserError(first)
        raise UserError(f"none of {len(paths)} files could be read (first: {first})")
    return stars


class _Stars:
    """Stars in the order of their files, on their way to the store or gathered in memory."""

    def __init__(self, store: GrowingStore | None):
        self.store = store
        self.bad: list[tuple[str, str]] = []
        self.count = 0 if store is None else store.rows
        self._waiting: list[Block] = []
        self._name = Namer(() if store is None else map(str, store.known.star_id.values))
        self._source_of: dict[str, str] = {}
        if store is not None:
            known = store.known
            self._source_of.update(zip(known.checksum.values, known.source.values, strict=True))

    def add(self, block: Block) -> None:
        """Take a block, and write the chunks that are full."""
        block = self._without_copies(block)
        for row, name in enumerate(block.columns["star_id"]):
            block.columns["star_id"][row] = self._name(name)
        self.bad += block.bad
        self.count += len(block.flux)
        self._waiting.append(block)
        # whole chunks only: what a chunk holds must not depend on where a run was cut
        while self.store is not None and self._n_waiting() >= self._left_in_chunk(self.store):
            self._write(self.store, self._left_in_chunk(self.store))

    def flush(self) -> None:
        """Write what is left, a last chunk that is not full."""
        if self.store is not None and self._n_waiting():
            self._write(self.store, self._n_waiting())

    def in_memory(self, pixels: PixelRecipe) -> Spectra:
        """Give all stars that were taken."""
        flux, ivar, columns, _, _ = join(self._waiting)
        star_id = columns.pop("star_id")
        return Spectra(apogee_wavelength(pixels.grid), flux, ivar, star_id, columns=columns)

    def _without_copies(self, block: Block) -> Block:
        new = np.ones(len(block.flux), bool)
        pairs = zip(block.columns["checksum"], block.columns["source"], strict=True)
        for row, (checksum, source) in enumerate(pairs):
            first = self._source_of.setdefault(checksum, source)
            if first != source:
                new[row] = False
                block.bad.append((source, f"{source}: the same file as {first}"))
        return block if new.all() else block.take(new)

    def _n_waiting(self) -> int:
        return sum(len(block.flux) for block in self._waiting)

    @staticmethod
    def _left_in_chunk(store: GrowingStore) -> int:
        return STARS_PER_CHUNK - store.rows % STARS_PER_CHUNK

    def _write(self, store: GrowingStore, stars: int) -> None:
        whole = join(self._waiting)
        head = whole.take(slice(None, stars))
        store.append(head.flux, head.ivar, head.columns)
        self._waiting = [whole.take(slice(stars, None))]


def _blocks(parts: list[Part], read: Callable[[Part], Block], workers: int) -> Iterator[Block]:
    """Read blocks in the order of the files; several workers read ahead of who takes them."""
    if workers == 1:
        yield from map(read, parts)
    else:
        with ThreadPoolExecutor(workers) as pool:
            yield from in_order(pool, read, parts, workers * IN_FLIGHT)
