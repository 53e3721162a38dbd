"""Progress bars and tables of the shell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import xarray as xr
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

console = Console()


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar with the number done and the time left; yields `update(done)`."""
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=max(total, 1))
        yield lambda done: bar.update(task, completed=done)
        bar.update(task, completed=max(total, 1))


def posterior_table(post: xr.DataTree, flag_names: Callable[[int], list[str]], most: int = 20):
    """Lay out mean and standard deviation of every label for the first stars."""
    labels = [str(name) for name in post["point"]["parameter"].values]
    table = Table(title=f"posterior mean and standard deviation ({post.attrs['method']})")
    for name in ("star", *labels, "chi2/dof", "flags"):
        table.add_column(name, no_wrap=True, overflow="fold")
    stats, point = post["sample_stats"], post["point"]
    sd = np.sqrt(np.diagonal(point["cov"].values, axis1=1, axis2=2))
    for i, star in enumerate(point["star"].values[:most]):
        mean = point["mean"].values[i]
        dof = float(stats["dof"].values[i])
        chi2 = float(stats["chi2"].values[i]) / dof if dof > 0 else float("nan")
        words = [line.split(":")[0] for line in flag_names(int(stats["flags"].values[i]))]
        numbers = [f"{m:.5g}\n± {s:.2g}" for m, s in zip(mean, sd[i], strict=True)]
        table.add_row(str(star), *numbers, f"{chi2:.2f}", "\n".join(words) or "-")
    return table
