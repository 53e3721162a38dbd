"""Recipes: a TOML file that, with data, makes a model."""

from __future__ import annotations

import json
import math
import os
import tomllib
from dataclasses import MISSING, dataclass, field, fields, replace
from operator import attrgetter
from typing import Any

from bayescannon.errors import UserError, reason

PRIORS = ("population", "flat")
SHARES = {"scatter", "error", "shared"}
RANDOM_ERRORS = {"teff": 25.0, "feh": 0.015, "afe": 0.015}
"""Random errors of APOGEE's labels [K, dex, dex]."""
BROKEN = ("BADPIX", "CRPIX", "SATPIX", "UNFIXABLE", "BADDARK", "BADFLAT", "BADERR", "NOSKY")
BAD_BITS = (*BROKEN, "SIG_SKYLINE")
"""Unusable pixels: broken ones, and strong sky lines, whose quoted errors are not right."""
BAD_STAR = ("BAD_PIXELS", "VERY_BRIGHT_NEIGHBOR", "LOW_SNR", "BAD_RV_COMBINATION", "RV_FAIL")
BAD_ASPCAP = ("STAR_BAD", "NO_ASPCAP_RESULT")


@dataclass(frozen=True)
class LabelRecipe:
    """`[labels]`: which labels, and the degree of the polynomial in them."""

    names: tuple[str, ...]
    degree: int = 2


@dataclass(frozen=True)
class PixelRecipe:
    """`[pixels]`: the grid, what makes a pixel usable, and the continuum.

    Quoted errors are at least `error_floor` of the flux. A pixel whose error is more than
    `max_error` times the continuum is not measured: surveys mark bad pixels so.
    """

    grid: int = 7214
    error_floor: float = 0.005
    max_error: float = 10.0
    bad_bits: tuple[str, ...] = BAD_BITS
    bad_star_flags: tuple[str, ...] = BAD_STAR
    bad_aspcap_flags: tuple[str, ...] = BAD_ASPCAP
    continuum: str = "the_payne"
    continuum_degree: int = 2


@dataclass(frozen=True)
class TrainingRecipe:
    """`[training]`: how coefficients, scatter and residual factors are learned.

    Attributes
    ----------
    noisy_labels : bool
        True: training labels have errors, true labels are latent, and residual factors are
        learned with them. False: labels are exact, the plain Cannon.
    label_errors : dict of str to float
        Random error of labels [label units] for stars to which the label table gives none. The
        defaults, for `teff`, `feh` and `afe`, are APOGEE's.
    label_error_prior : float
        How far stated errors are believed: the sd of the logarithm of what they may be multiplied
        by. What catalogue and spectra disagree beyond that is the model's error. `inf` believes
        none and gives it all to the catalogue.
    carried : tuple of str
        Labels that change spectra only through what the factors hold (mass and age, through
        carbon and nitrogen); needs `noisy_labels`.
    factors : int
        Largest number of residual factors; held-out stars decide how many are used.
    shrinkage : bool
        Shrink coefficients by a prior learned over all pixels (always so with noisy labels).
    by_state : bool
        The indirect label (`carried`) follows from factors in another way on the giant branch than
        in the clump; the label table says which star is where (`state` or `evstate`, `rgb` or
        `rc`).
    noise_shares : dict of str to float
        Whose the scatter of the indirect label's catalogue values about spectra is: true
        `scatter`, `error` of this catalogue, and what is `shared` by all catalogues, which may be
        either. Shares of the variance, which add up to 1. Without, the stated errors are believed
        within `label_error_prior`.
    """

    noisy_labels: bool = False
    label_errors: dict[str, float] = field(default_factory=lambda: dict(RANDOM_ERRORS))
    label_error_prior: float = 0.15
    carried: tuple[str, ...] = ()
    factors: int = 20
    shrinkage: bool = True
    by_state: bool = False
    noise_shares: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceRecipe:
    """`[inference]`: what `infer` does unless told otherwise.

    Attributes
    ----------
    prior : str
        `population` or `flat`.
    max_chi2 : float
        Stars above it are flagged `BAD_CHI2`. Below 1: the quantile of the reduced chi2 of
        training stars at equal S/N. 1 or more: a reduced chi2 itself.
    """

    prior: str = "population"
    max_chi2: float = 0.999


@dataclass(frozen=True)
class ErrorRecipe:
    """`[errors]`: the error budget.

    Attributes
    ----------
    photon_scale, photon_floor : float
        An error e of the flux counts as sqrt((scale e)^2 + floor^2), in training and inference;
        floor in units of the continuum. `bayescannon repeats` learns both.
    """

    photon_scale: float = 1.0
    photon_floor: float = 0.0

    def photon_ivar(self, ivar):
        """Inverse variances (star, pixel) of the quoted ones by this law; 0 stays 0."""
        if (self.photon_scale, self.photon_floor) == (1.0, 0.0):
            return ivar
        return ivar / (self.photon_scale**2 + self.photon_floor**2 * ivar)


SECTIONS = {
    "labels": LabelRecipe,
    "pixels": PixelRecipe,
    "errors": ErrorRecipe,
    "training": TrainingRecipe,
    "inference": InferenceRecipe,
}


@dataclass(frozen=True)
class Recipe:
    """Settings from which, together with data, a model is made.

    Attributes
    ----------
    name : str
        Name of the model.
    labels, pixels, errors, training, inference : dataclass
        The sections of the file.
    """

    name: str
    labels: LabelRecipe
    pixels: PixelRecipe = field(default_factory=PixelRecipe)
    errors: ErrorRecipe = field(default_factory=ErrorRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    inference: InferenceRecipe = field(default_factory=InferenceRecipe)

    @property
    def direct(self) -> Recipe:
        """The recipe without its indirect label: what pixels are trained on."""
        names = tuple(name for name in self.labels.names if name not in self.training.carried)
        training = replace(self.training, carried=(), by_state=False, noise_shares={})
        return replace(self, labels=replace(self.labels, names=names), training=training)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Recipe:
        """Read a recipe file, that of a model folder, or that of the model of this name that ships.

        Raises
        ------
        UserError
            If the file is missing, no TOML, or a key is unknown or has a wrong value.
        """
        from bayescannon.data import or_shipped

        file = or_shipped(path)
        file = file / "recipe.toml" if file.is_dir() else file
        if not file.is_file():
            raise UserError(f"{path}: no such recipe")
        try:
            return cls.loads(file.read_text(encoding="utf-8-sig"))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not a TOML file ({reason(error)})") from error

    @classmethod
    def loads(cls, text: str) -> Recipe:
        """Read a recipe from TOML text."""
        table = tomllib.loads(text)
        _refuse_unknown(table, {"name", *SECTIONS}, "")
        for needed in ("name", "labels"):
            if needed not in table:
                raise UserError(f"key {needed!r} is missing")
        if not isinstance(table["name"], str):
            raise UserError(f"key 'name' is {table['name']!r}, but must be str")
        made = {k: _section(kind, k, table[k]) for k, kind in SECTIONS.items() if k in table}
        recipe = cls(name=table["name"], **made)
        _check(recipe)
        return recipe

    def dumps(self) -> str:
        """Write the recipe, defaults included, as TOML text."""
        lines = [f"name = {_toml(self.name)}"]
        for section in SECTIONS:
            values = getattr(self, section)
            lines += ["", f"[{section}]"]
            lines += [f"{f.name} = {_toml(getattr(values, f.name))}" for f in fields(values)]
        return "\n".join(lines) + "\n"


def _refuse_unknown(table: dict, known: set[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            raise UserError(f"unknown key {prefix + key!r}; known: {', '.join(sorted(known))}")


def _section(kind: type, name: str, table: Any):
    if not isinstance(table, dict):
        raise UserError(f"{name!r} must be a section, [{name}]")
    kinds = {f.name: f for f in fields(kind)}  # ty: ignore[invalid-argument-type]
    _refuse_unknown(table, set(kinds), f"{name}.")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    for key, value in values.items():
        wanted = str(kinds[key].type)
        fits = {
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": _is_number(value),
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
            "dict[str, float]": isinstance(value, dict) and all(map(_is_number, value.values())),
        }.get(wanted, isinstance(value, tuple) and all(isinstance(v, str) for v in value))
        if not fits:
            raise UserError(f"key '{name}.{key}' is {value!r}, but must be {wanted}")
    for key, f in kinds.items():
        if key not in values and f.default is f.default_factory is MISSING:
            raise UserError(f"section [{name}] lacks a key: {key}")
    return kind(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(recipe: Recipe) -> None:
    """Refuse values that are of the right type and cannot be used, each with what to do."""
    names, pixels, errors = recipe.labels.names, recipe.pixels, recipe.errors
    training, carried = recipe.training, recipe.training.carried
    strange = ", ".join(name for name in carried if name not in names)
    sizes, shares = training.label_errors.values(), training.noise_shares
    whole = sum(shares.values())
    unity = f"add up to {whole:g}, not 1"
    small = "use 0 or a small positive number"
    noisy, indirect = "needs 'training.noisy_labels = true'", "needs a label in 'training.carried'"
    rules = (
        ("labels.names", names and len(set(names)) == len(names), "give one or more different"),
        ("labels.degree", recipe.labels.degree in (1, 2, 3), "use 1, 2 or 3"),
        ("pixels.error_floor", 0 <= pixels.error_floor < math.inf, small),
        ("pixels.max_error", pixels.max_error > 0, "use 10 or so"),
        ("errors.photon_scale", 0 < errors.photon_scale < math.inf, "use 1 or so"),
        ("errors.photon_floor", 0 <= errors.photon_floor < math.inf, small),
        ("inference.max_chi2", recipe.inference.max_chi2 > 0, "use a positive number"),
        ("inference.prior", recipe.inference.prior in PRIORS, f"use {' or '.join(PRIORS)}"),
        ("training.carried", not strange, f"{strange} is not a label"),
        ("training.carried", training.noisy_labels or not carried, noisy),
        ("training.carried", len(carried) < len(names), "names all labels: one must be direct"),
        ("training.by_state", carried or not training.by_state, indirect),
        ("training.carried", len(carried) < 2, "name one label"),
        ("training.noise_shares", set(shares) <= SHARES, f"give {', '.join(sorted(SHARES))}"),
        ("training.noise_shares", all(x >= 0 for x in shares.values()), "none negative"),
        ("training.noise_shares", not shares or abs(whole - 1) < 1e-6, unity),
        ("training.factors", training.factors >= 0, "use 0 or more"),
        ("training.label_errors", all(0 < x < math.inf for x in sizes), "errors must be positive"),
        ("training.label_error_prior", training.label_error_prior > 0, "use more than 0, or inf"),
    )
    for key, fits, advice in rules:
        if not fits:
            raise UserError(f"key {key!r} is {attrgetter(key)(recipe)!r}: {advice}")


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):  # JSON escapes as TOML does, but for one character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(v)}" for key, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return repr(value)
