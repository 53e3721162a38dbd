"""`catalog`: from spectra, catalogue abundances or posteriors to a table that can be published."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.table import QTable

from bayescannon.calibration import NO_CERTIFICATE
from bayescannon.catalog import (
    build_catalog,
    carried,
    run_catalog,
    with_aliases,
    write_catalog,
)
from bayescannon.catalog.aliases import STYLES
from bayescannon.catalog.run import MANIFEST
from bayescannon.catalog.write import kind_of
from bayescannon.cli.ages import isochrones
from bayescannon.cli.console import Seed, command_line, console, log, progress
from bayescannon.cli.report import report
from bayescannon.errors import UserError
from bayescannon.files import check_output, means_file
from bayescannon.flags import WARNINGS, Flag, Tally
from bayescannon.model import load
from bayescannon.model.checks import data_mark
from bayescannon.posterior import open_posterior
from bayescannon.spectra import Spectra
from bayescannon.spectra.abundances import ZeroPointWarning, read_abundances, real_giants
from bayescannon.trees import array

ABUNDANCES = "apokasc-abundances"
"""Model for the abundances of an allStar table."""
DRAWS, DRAWS_OF_TABLE = 500, 200


def catalog(
    source: Annotated[
        Path | None,
        typer.Argument(help="Spectra store, with --model; or a posterior store of `infer`."),
    ] = None,
    abundances: Annotated[
        Path | None,
        typer.Option("--table", help="Instead: an allStar table (FITS), DR12 to DR17."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help=f"Model folder, or the name of a shipped model [with --table {ABUNDANCES}]."
        ),
    ] = None,
    ages: Annotated[
        Path | None, typer.Option(help="With a posterior store: age store of `ages`.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write [catalog.fits]; with a model a folder [catalog], or a file beside "
            "which the run's folder is kept."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="With a folder: suffix of a file in it [fits]; may be repeated."
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="As for `infer` [auto; with --table importance].")
    ] = None,
    prior: Annotated[str | None, typer.Option(help="As for `infer`.")] = None,
    age_prior: Annotated[str, typer.Option(help="As for `ages`.")] = "flat-age",
    grid: Annotated[Path | None, typer.Option(help="Isochrone grid; PARSEC without.")] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=2, help=f"Posterior draws per star [{DRAWS}; with --table {DRAWS_OF_TABLE}]."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Blocks of stars worked on at a time.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask cluster that runs, instead.")
    ] = None,
    keep_draws: Annotated[
        bool | None,
        typer.Option(
            "--keep-draws/--no-draws", help="Whether to store all draws [not with --table]."
        ),
    ] = None,
    carry: Annotated[
        Path | None,
        typer.Option(
            help="Table (allStar, or any with such columns) whose ids, positions, fields, S/N and "
            "velocities go into the catalogue; those of the store do in any case."
        ),
    ] = None,
    aliases: Annotated[
        str | None,
        typer.Option(help=f"Add columns named in the style of {' or '.join(STYLES)}."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title, for mrt and cds.")] = None,
    authors: Annotated[str | None, typer.Option(help="Authors, for mrt and cds.")] = None,
    shift: Annotated[
        bool, typer.Option("--shift", help="With --table: put [C/M], [N/M] on our zero points.")
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", "--overwrite", help="Replace the run in the folder, or the file."
        ),
    ] = False,
    seed: Seed = 0,
) -> None:
    """Write quantiles of labels, masses and ages, one row a star.

    From spectra with --model, or from the abundances of an allStar table, in blocks: labels and
    ages are inferred, draws are kept, and the same command again makes only what is missing.
    Without, from stores that exist.
    """
    if (source is None) == (abundances is None):
        raise UserError("catalog: name a store (SOURCE) or an allStar table (--table), one of them")
    if source is not None and model is None:
        target = out or Path("catalog.fits")
        check_output(target, kind_of(target), restart)
        table = _sum_up(source, ages, carry)
        table = _finished(table, aliases, title, authors)
        write_catalog(table, target, restart)
        _report(table, str(target))
        return
    folder, targets = _targets(out or Path("catalog"), formats)
    ours = restart or (folder / MANIFEST).exists()  # then nothing is lost with the tables
    for target in targets:
        check_output(target, kind_of(target), ours)
    spectra = _read_table(abundances, shift) if abundances else Spectra.open(source or Path())
    if carry is not None:
        spectra = spectra.with_columns(carried(spectra.star_id, carry))
    trained = load(model or Path(ABUNDANCES))
    with progress("stars", len(spectra), rate=True) as update:
        table = run_catalog(
            trained,
            spectra,
            folder,
            grid=isochrones(grid),
            method=method or ("auto" if abundances is None else "importance"),
            prior=prior,
            age_prior=age_prior,
            draws=draws or (DRAWS if abundances is None else DRAWS_OF_TABLE),
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            keep_draws=abundances is None if keep_draws is None else keep_draws,
            restart=restart,
            command=command_line(),
            progress=update,
        )
    table = _finished(table, aliases, title, authors)
    for target in targets:
        write_catalog(table, target, overwrite=True)
    _report(table, ", ".join(map(str, targets)))


def _sum_up(posteriors: Path, ages: Path | None, carry: Path | None) -> QTable:
    post = open_posterior(posteriors)
    more = carried(array(post, "posterior/star"), carry) if carry else None
    table = build_catalog(post, open_posterior(ages) if ages else None, carry=more)
    table.meta["command"] = command_line()
    return table


def _finished(table: QTable, aliases: str | None, title: str | None, authors: str | None) -> QTable:
    """Add what the user wants beside: other names, and whose table it is."""
    words = {"title": title, "authors": authors}
    table.meta |= {name: word for name, word in words.items() if word}
    return with_aliases(table, aliases) if aliases else table


def _targets(out: Path, formats: list[str] | None) -> tuple[Path, list[Path]]:
    """Folder of the run and the tables to write: in it, or the one file that `out` names."""
    if means_file(out) and not out.is_dir():
        if formats:
            raise UserError(
                f"--out {out} is a file, whose suffix is its format: leave --format out, or give "
                "--out a folder"
            )
        return out.with_suffix(""), [out]
    return out, [out / f"catalog.{suffix}" for suffix in formats or ["fits"]]


def _read_table(path: Path, shift: bool) -> Spectra:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ZeroPointWarning)
        stars = read_abundances(path, real_giants()[0], shift)
    for warning in caught:
        log.print(f"warning: {warning.message}", style="yellow")
    return stars


def _report(table: QTable, out: str) -> None:
    """Say how many stars there are, and how many with each flag."""
    flags = np.asarray(table["flags"])
    counts = {f.name: int((flags & f > 0).sum()) for f in Flag if (flags & f).any()}
    tally = Tally.of(flags)
    certificate = table.meta.get("post_certificate", NO_CERTIFICATE)
    report.facts |= tally._asdict() | {"good": tally.stars - tally.bad, "flags": counts}
    report.facts |= {"data": table.meta["data"], "certificate": certificate}
    said = f"{tally}; {len(table.colnames)} columns in {out}"
    console.print(f"{data_mark(table.meta)} {said}".lstrip())
    for name, count in Counter(counts).most_common():
        warning = " (warning)" if Flag[name] in WARNINGS else ""
        console.print(f"  {name:<18} {count}{warning}")
    console.print(certificate)
