"""`figures`: pictures of what was inferred."""

from pathlib import Path
from typing import Annotated

import typer

from ..data import model_path
from ..figures import star as star_page
from ..figures.style import save
from ..infer import open_posterior
from ..model import Model
from ..spectra import Spectra
from .console import console

app = typer.Typer(help="Draw what was inferred.", no_args_is_help=True)


@app.callback()
def figures() -> None:
    """Draw what was inferred."""


@app.command()
def star(
    star_id: Annotated[str, typer.Argument(help="Which star.")],
    spectra: Annotated[Path, typer.Option(help="Spectra store (.zarr).")],
    model: Annotated[Path, typer.Option(help="Model folder, or the name of a shipped model.")],
    posteriors: Annotated[Path, typer.Option(help="Posterior store of `infer`.")],
    ages: Annotated[Path | None, typer.Option(help="Age store of `ages`.")] = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("star.png"),
) -> None:
    """Draw one star on one page: spectrum, posterior, age, diagnostics and flags."""
    post = open_posterior(posteriors)
    page = star_page.draw(
        Model.load(model_path(model)),
        Spectra.open(spectra),
        post,
        star_id,
        open_posterior(ages) if ages else None,
    )
    save(page, out)
    console.print(f"{star_id} in {out}")
