"""One block of stars on its way from the spectra store to the catalogue. What a worker does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from astropy.table import QTable

from bayescannon.ages import Parsec, infer_ages
from bayescannon.catalog.build import build_catalog
from bayescannon.catalog.write import write_part
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.flags import Flag, Tally
from bayescannon.marks import AGES as AGE_STORE
from bayescannon.marks import POSTERIOR, put_mark
from bayescannon.model.by_state import AnyModel
from bayescannon.posterior import infer
from bayescannon.posterior.store import TreeWriter
from bayescannon.spectra import Spectra
from bayescannon.trees import release

STARS_PER_BLOCK = 1024
"""Also the stars in a chunk of the stores of draws: no two blocks write to one chunk."""
POSTERIORS, AGES, PARTS, FAILED = "posteriors.zarr", "ages.zarr", "blocks", "failed.ecsv"
MACHINE = (UserError, OSError, MemoryError)
"""What is no star's fault: it stops the run, which goes on when it is mended."""


class Result(NamedTuple):
    """What a block of stars comes to."""

    trees: dict[str, xr.DataTree]
    """Draws of labels, and of ages where the model has a mass, by the name of their store."""
    table: QTable
    failed: dict[str, str]
    """Name of a star to the error that stopped it."""


@dataclass(frozen=True)
class BlockMaker:
    """Makes block k of a run and writes it; travels to worker processes as it is."""

    model: AnyModel
    spectra: Spectra
    grid: Parsec | None
    """None where the model has no mass: then there are no ages."""
    out: Path
    infer_settings: dict[str, Any]
    age_settings: dict[str, Any]
    stars_per_block: int = STARS_PER_BLOCK
    keep_draws: bool = True
    carry: tuple[str, ...] = ()
    """Columns of the spectra that go into the table."""

    def __call__(self, k: int) -> Tally:
        """Make and write block k."""
        result = self.make(k)
        if self.keep_draws and not self.has_stores:
            self._create_stores(result)
        done = self.write(k, result)
        release(*result.trees.values())
        return done

    @property
    def n_blocks(self) -> int:
        """How many blocks there are; the last may be shorter."""
        return -(-len(self.spectra) // self.stars_per_block)

    def block(self, k: int) -> Spectra:
        """Spectra of block k."""
        return self.spectra[k * self.stars_per_block : (k + 1) * self.stars_per_block]

    @property
    def has_stores(self) -> bool:
        """Whether the stores of draws are made."""
        names = (POSTERIORS,) if self.grid is None else (POSTERIORS, AGES)
        return all((self.out / name).exists() for name in names)

    def make(self, k: int) -> Result:
        """Infer labels and ages of block k; a star that breaks a step is set aside.

        Raises
        ------
        UserError
            If the block cannot be made though no single star is to blame.
        """
        part = self.block(k)
        try:
            return self._steps(part)
        except MACHINE:
            raise
        except Exception:  # whatever it is, only the star that causes it shall be lost
            failed = find_failing(self._steps, part)
        try:
            result = self._steps(_without(part, failed))
        except MACHINE:
            raise
        except Exception as error:
            raise UserError(
                f"block {k} ({part.star_id[0]} to {part.star_id[-1]}) fails though each of its "
                f"other stars passes alone ({_line(error)}); what is done is kept"
            ) from error
        lost = np.isin(np.asarray(result.table["star_id"]), list(failed))
        result.table["flags"][lost] |= int(Flag.FAILED)
        result.table["good"][lost] = False
        return result._replace(failed=failed)

    def _steps(self, part: Spectra) -> Result:
        """Infer labels, then ages, then sum up."""
        trees = {POSTERIORS: infer(self.model, part, **self.infer_settings)}
        if self.grid is not None:
            trees[AGES] = infer_ages(trees[POSTERIORS], self.grid, **self.age_settings)
        table = build_catalog(
            trees[POSTERIORS],
            trees.get(AGES),
            carry={name: part.column(name) for name in self.carry},
        )
        return Result(trees, table, {})

    def _create_stores(self, result: Result) -> None:
        """Make the stores of draws in full size, laid out as this block is."""
        for name, tree in result.trees.items():
            if not (self.out / name).exists():
                single = in_single(tree)
                kind = POSTERIOR if name == POSTERIORS else AGE_STORE
                with write_beside(self.out / name) as beside:
                    TreeWriter.create(beside, single, self.spectra.star_id)
                    put_mark(beside, kind)
                release(single)

    def write(self, k: int, result: Result) -> Tally:
        """Write draws, then the rows of the catalogue, whose file marks the block as done."""
        for name, tree in result.trees.items() if self.keep_draws else ():
            single = in_single(tree)
            TreeWriter(self.out / name).write(single, k * self.stars_per_block)
            release(single)
        with write_beside(part_path(self.out, k)) as beside:
            write_part(result.table, result.failed, beside)
        return Tally.of(result.table["flags"])


def part_path(out: Path, k: int) -> Path:
    """Where the rows of block k are once it is done."""
    return out / PARTS / f"part-{k:06d}.parquet"


def in_single(tree: xr.DataTree) -> xr.DataTree:
    """Keep draws in single precision, finer than any of them is known; the rest as it is."""
    data = {name: node.to_dataset() for name, node in tree.children.items()}
    data["posterior"] = data["posterior"].astype(np.float32)
    single = xr.DataTree.from_dict(data)
    single.attrs = tree.attrs
    return single


def find_failing(attempt: Callable[[Spectra], object], spectra: Spectra) -> dict[str, str]:
    """Find by halving which stars make an attempt raise, and what it raises."""
    try:
        attempt(spectra)
    except MACHINE:
        raise
    except Exception as error:
        if len(spectra) == 1:
            return {str(spectra.star_id[0]): _line(error)}
        half = len(spectra) // 2
        return find_failing(attempt, spectra[:half]) | find_failing(attempt, spectra[half:])
    return {}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _without(part: Spectra, failed: dict[str, str]) -> Spectra:
    """Take the pixels of some stars away: inference gives them NaN."""
    flux, ivar = part.arrays(part.precision)
    ivar[np.isin(part.star_id, list(failed))] = 0.0
    axis = {"channel": part.channel, "columns": part.columns}
    return Spectra(part.wavelength, flux, ivar, part.star_id, **axis)
