"""`figures`: pictures of what was inferred."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bayescannon.cli.console import ModelPath, PixelsRecipe, console
from bayescannon.cli.lazy import mount, plain_app
from bayescannon.data import element_windows
from bayescannon.errors import UserError, plural
from bayescannon.files import check_output
from bayescannon.marks import PICTURE
from bayescannon.model import Model
from bayescannon.model.checks import data_mark
from bayescannon.plots.factors import draw_factors
from bayescannon.plots.spectra import draw_continuum
from bayescannon.plots.star import draw_star
from bayescannon.plots.style import save
from bayescannon.posterior import open_posterior
from bayescannon.recipe import PixelRecipe, Recipe
from bayescannon.spectra import (
    Spectra,
    apogee_wavelength,
    chip_of,
    pixel_index_of_size,
    place,
    read_spectrum,
)
from bayescannon.spectra.bits import PixelBit, bits
from bayescannon.spectra.continuum import continuum_factors, design, solve_continuum
from bayescannon.spectra.ingest import continuum_mask

app = plain_app(no_args_is_help=True)


@app.callback()
def figures() -> None:
    """Draw stars, spectra and models."""


mount(
    app,
    "paper",
    "studies.paper.command:app",
    "Make the figures and tables of Ness et al. (2016).",
)


@app.command()
def star(
    star_id: Annotated[str, typer.Argument(help="Which star.")],
    spectra: Annotated[Path, typer.Option(help="Spectra store (.zarr).")],
    model: ModelPath,
    posteriors: Annotated[Path, typer.Option(help="Posterior store of `infer`.")],
    ages: Annotated[Path | None, typer.Option(help="Age store of `ages`.")] = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("star.png"),
) -> None:
    """Draw one star on one page.

    The page shows its spectrum, posterior, age, diagnostics and flags.
    """
    check_output(out, PICTURE, overwrite=True)
    post = open_posterior(posteriors)
    page = draw_star(
        Model.load(model),
        Spectra.open(spectra),
        post,
        star_id,
        open_posterior(ages) if ages else None,
    )
    save(page, out)
    console.print(f"{data_mark(post.attrs)} {star_id} in {out}".lstrip())


@app.command()
def continuum(
    file: Annotated[Path, typer.Argument(help="apStar or aspcapStar file.")],
    recipe: PixelsRecipe = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("continuum.png"),
) -> None:
    """Draw one spectrum with its continuum.

    Above the continuum pixels and the fit, below the normalised flux.
    """
    check_output(out, PICTURE, overwrite=True)
    pixels = Recipe.load(recipe).pixels if recipe else PixelRecipe()
    star = read_spectrum(file, bits(PixelBit, pixels.bad_bits, "pixels.bad_bits"))
    index, mask = pixel_index_of_size(pixels.grid), continuum_mask(pixels)
    degree = pixels.continuum_degree
    flux, ivar = place(star.index, index, star.flux, star.ivar)
    chip = chip_of(index)
    fit = solve_continuum(flux[None], ivar[None], chip, mask, degree)
    factors = continuum_factors(fit.coefficients[0], fit.covariance[0], chip, degree)
    level = np.nan_to_num(np.asarray(fit.coefficients[0])) @ design(chip, degree).T
    error = np.sqrt((np.asarray(factors) ** 2).sum(axis=1))
    known = (error > 0) & (level > 0)
    page = draw_continuum(
        apogee_wavelength(pixels.grid),
        flux,
        ivar,
        mask,
        np.where(known, level, np.nan),
        np.where(known, error, np.nan),
        chip,
        star_id=star.star_id,
    )
    save(page, out)
    console.print(f"{star.star_id} in {out}")


@app.command()
def factors(
    model: Annotated[Path, typer.Argument(help="Model folder, or the name of a shipped model.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("factors.png"),
) -> None:
    """Draw the residual factors of a model.

    They are drawn against wavelength, with the windows of the elements.
    """
    check_output(out, PICTURE, overwrite=True)
    trained = Model.load(model)
    if trained.wavelength is None:
        raise UserError(f"{model}: its pixels are channels, not wavelengths: nothing to draw")
    if not trained.factors.shape[1]:
        raise UserError(f"{model}: has no residual factors: train with training.factors above 0")
    save(draw_factors(trained, element_windows(), note=data_mark(trained.report)), out)
    console.print(f"{plural(trained.factors.shape[1], 'factor')} in {out}")
