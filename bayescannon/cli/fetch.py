"""`paths` and `fetch`: where the survey keeps spectra, and having them here."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from astropy.table import Table

from bayescannon.cli.console import console, progress
from bayescannon.cli.report import report
from bayescannon.errors import UserError, plural
from bayescannon.files import check_output, output
from bayescannon.marks import QUARANTINE
from bayescannon.spectra import read_all_star, survey_paths
from bayescannon.spectra.fetch import ARCHIVE, fetch_files, read_sums
from bayescannon.spectra.survey import KINDS, RELEASES
from bayescannon.star_ids import star_of

AllStar = Annotated[Path | None, typer.Argument(help="Table of the survey: allStar, or like it.")]
Release = Annotated[str, typer.Option(help=f"One of {', '.join(RELEASES)}.")]
Kind = Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")]
Star = Annotated[list[str] | None, typer.Option(help="APOGEE id; may be repeated. All without.")]
Field = Annotated[
    str | None, typer.Option(help="Without a table: field of the stars (dr12: location id).")
]
Telescope = Annotated[str, typer.Option(help="Without a table: of the stars.")]


def paths(
    all_star: AllStar = None,
    release: Release = "dr17",
    kind: Kind = "apStar",
    star: Star = None,
    field: Field = None,
    telescope: Telescope = "apo25m",
) -> None:
    """Print the survey's relative paths of spectra, one a line."""
    for line in _paths(all_star, release, kind, star, field, telescope):
        console.print(line)


def fetch(
    out: Annotated[Path, typer.Option(help="Folder to download to, a folder of its own.")],
    all_star: AllStar = None,
    release: Release = "dr17",
    kind: Kind = "apStar",
    star: Star = None,
    field: Field = None,
    telescope: Telescope = "apo25m",
    url: Annotated[str, typer.Option(help="The survey's archive, or a mirror of it.")] = ARCHIVE,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Files at a time.")] = 4,
    sums: Annotated[
        Path | None, typer.Option(help="Checksums to compare with, as sha1sum writes them.")
    ] = None,
) -> None:
    """Download spectra of the stars of a table into the survey's folders.

    What is there is not loaded again: the same command goes on where it was stopped. Files are
    checked before they get their names. A file that the archive does not have is listed in
    OUT.missing.ecsv, and the rest goes on.
    """
    missing = out.with_name(f"{out.name}.missing.ecsv")
    check_output(missing, QUARANTINE, overwrite=True)
    wanted = _paths(all_star, release, kind, star, field, telescope)
    known = read_sums(sums) if sums else None
    with progress("downloading", len(wanted), rate=True) as update:
        done = fetch_files(wanted, out, url, workers=workers, sums=known, progress=update)
    report.facts |= {"files": done.files, "missing": len(done.missing)}
    console.print(f"{plural(done.files, 'file')} in {out}")
    if not len(done.missing):
        missing.unlink(missing_ok=True)
        return
    done.missing.meta["creator"] = QUARANTINE.creator
    with output(missing, QUARANTINE, overwrite=True) as beside:
        done.missing.write(beside, format="ascii.ecsv")
    console.print(f"{plural(len(done.missing), 'file')} could not be had: see {missing}")


def _paths(
    all_star: Path | None,
    release: str,
    kind: str,
    star: list[str] | None,
    field: str | None,
    telescope: str,
) -> list[str]:
    if all_star is not None:
        table = read_all_star(all_star)
        if star:
            table = table[np.isin([star_of(name) for name in table["star_id"]], star)]
    elif star and field:
        table = Table({"star_id": star, "field": [field] * len(star)})
        table["telescope"] = telescope
    else:
        raise UserError("give an allStar table, or --star and --field")
    return survey_paths(table, release, kind)
