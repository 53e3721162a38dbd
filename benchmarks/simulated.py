"""Spectra that are made when they are read: surveys of any size without a disk that holds them."""

from __future__ import annotations

import numpy as np

from bayescannon.model import Model
from bayescannon.spectra import Spectra
from studies.from_model import simulate_stars


class SimulatedSpectra(Spectra):
    """SEMI-SYNTHETIC stars of S/N 20 to 400; each is the same in any slice.

    Parameters
    ----------
    model : Model
        Makes them (`simulate_stars`).
    which : array of int
        Numbers in their names.
    seed : int
    """

    def __init__(self, model: Model, which: np.ndarray, seed: int):
        self.model, self.which, self.seed = model, which, seed

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, rows) -> SimulatedSpectra:
        """Select stars by slice, positions or mask."""
        return SimulatedSpectra(self.model, self.which[rows], self.seed)

    @property
    def column_names(self) -> list[str]:
        """None."""
        return []

    @property
    def semi_synthetic(self) -> bool:
        """All are simulated."""
        return True

    @property
    def star_id(self) -> np.ndarray:
        """Names of the stars, (star,)."""
        return np.array([f"made-{k:06d}" for k in self.which])

    @property
    def wavelength(self) -> np.ndarray | None:
        """Of the model."""
        return self.model.wavelength

    @property
    def channel(self) -> list[str] | None:
        """Of the model."""
        return None if self.model.channel is None else list(self.model.channel)

    @property
    def precision(self) -> np.dtype:
        """Single, as of a store."""
        return np.dtype(np.float32)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Nothing else is known of them."""
        return {}

    @property
    def bad_star(self) -> None:
        """Nobody has said so."""

    def arrays(self, dtype=np.float64, max_error=np.inf) -> tuple[np.ndarray, np.ndarray]:
        """Make (flux, ivar); no error is as large as `max_error`."""
        runs = np.split(self.which, np.flatnonzero(np.diff(self.which) != 1) + 1)
        simulated = [
            simulate_stars(self.model, len(run), self.seed, first=int(run[0])) for run in runs
        ]
        pairs = zip(*(stars.spectra.arrays(dtype) for stars in simulated), strict=True)
        flux, ivar = (np.concatenate(parts) for parts in pairs)
        return flux, ivar
