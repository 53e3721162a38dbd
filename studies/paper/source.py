"""What items are made from: a finished run's folder, opened piece by piece when it is asked for."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr
from astropy.table import QTable, Table

from bayescannon.data import model_path
from bayescannon.errors import UserError
from bayescannon.model import Model
from bayescannon.posterior import open_posterior
from bayescannon.spectra import Spectra
from bayescannon.validation import CrossValidation
from studies.paper.item import NotHere

DEMO = "`bayescannon demo --out demo`, then `bayescannon figures paper --run demo`"
CATALOGS = ("catalog.fits", "catalog.ecsv", "catalog.vot", "catalog.parquet")


@dataclass(frozen=True)
class Source:
    """A run of `demo` or `catalog`, or none: then only what ships can be drawn.

    Every attribute is read when it is first used, and raises `NotHere` where the run has no such
    thing.

    Attributes
    ----------
    run : Path or None
        Folder of the run.
    seed : int
        Of whatever an item draws at random.
    stars : int
        Of the mock Milky Way, for a run whose stars have no places.

    Raises
    ------
    UserError
        If the folder holds no run.
    """

    run: Path | None = None
    seed: int = 0
    stars: int = 6000

    def __post_init__(self) -> None:
        if self.run is not None and not any((self.run / name).exists() for name in CATALOGS):
            raise UserError(
                f"{self.run}: holds no finished run: give a folder that `bayescannon demo` or "
                "`bayescannon catalog SPECTRA --model MODEL` left"
            )

    @cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json` of a demo; empty elsewhere."""
        path = None if self.run is None else self.run / "summary.json"
        if path is None or not path.is_file():
            return {}
        return json.loads(path.read_text(encoding="utf-8"))

    @cached_property
    def semi_synthetic(self) -> bool:
        """Whether the run's spectra are made, not observed, or those its model learned from."""
        if self.summary.get("data") == "semi-synthetic":
            return True
        try:
            return "SEMI-SYNTHETIC" in self.model.card
        except NotHere:
            return False

    @property
    def note(self) -> str:
        """What titles must say of the run's data."""
        return "semi-synthetic" if self.semi_synthetic else ""

    @cached_property
    def catalog(self) -> QTable:
        """The catalogue, one row a star."""
        folder = self._folder("a catalogue")
        path = next(folder / name for name in CATALOGS if (folder / name).exists())
        if path.is_dir():  # the parts of a run that wrote no other file
            raise NotHere(f"{path}: has only parts; run `bayescannon catalog` to its end")
        return QTable.read(path)

    @cached_property
    def post(self) -> xr.DataTree:
        """Posterior draws of the labels."""
        return open_posterior(self._path("posteriors.zarr", "posterior draws"))

    @cached_property
    def ages(self) -> xr.DataTree:
        """Posterior draws of the ages."""
        return open_posterior(self._path("ages.zarr", "draws of ages"))

    @cached_property
    def model(self) -> Model:
        """The run's model: the one it keeps, or the shipped one that it names."""
        folder = self._folder("a model")
        if (folder / "model").is_dir():
            return Model.load(folder / "model")
        manifest = folder / "manifest.json"
        known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        name = str(known.get("model", ""))
        try:
            model = Model.load(model_path(name))
        except UserError as error:
            raise NotHere(f"{folder}: does not keep its model {name!r}") from error
        if model.id != known.get("model id"):
            raise NotHere(f"{folder}: its model {name!r} is not the one that ships")
        return model

    @cached_property
    def validation(self) -> CrossValidation:
        """Cross-validation of the run's training set."""
        return CrossValidation.load(self._path("crossval.npz", "a cross-validation"))

    @cached_property
    def training(self) -> Table:
        """Labels that were handed to training, with their errors, and what else is known."""
        return Table.read(self._path("training.ecsv", "training labels"))

    @cached_property
    def truth(self) -> Table:
        """What went into simulated stars, a row for each star of the catalogue."""
        return Table.read(self._path("truth.ecsv", "true labels"))

    @cached_property
    def survey(self) -> Table:
        """The survey's own labels, where the user put them into the run's folder."""
        return Table.read(self._path("survey.ecsv", "the survey's labels"))

    @cached_property
    def spectra(self) -> Spectra:
        """A few stars' spectra, stars of the catalogue."""
        return Spectra.open(self._path("spectra.zarr", "spectra"))

    def _folder(self, what: str) -> Path:
        if self.run is None:
            raise NotHere(f"needs {what} of a finished run: {DEMO}")
        return self.run

    def _path(self, name: str, what: str) -> Path:
        path = self._folder(what) / name
        if not path.exists():
            raise NotHere(f"needs {what}, and {self.run} has no {name}: {DEMO}")
        return path
