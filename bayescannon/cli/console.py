"""Progress bars and tables of the shell."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated

import typer
import xarray as xr
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from bayescannon import flags
from bayescannon.trees import array, point_sd

console = Console()

Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier output of this command.")
]
UnusedSeed = Annotated[int, typer.Option(help="Taken as by every command; nothing here is random.")]


class RateColumn(ProgressColumn):
    """Number done per second."""

    def render(self, task: Task) -> Text:
        """Write the rate of the last half minute, or of the whole."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f}/s")


@contextmanager
def progress(title: str, total: int, rate: bool = False) -> Generator[Callable[..., None]]:
    """Show a bar with the number done, the rate and the time left; yields `update(done)`.

    `update(done, flagged)` shows the number flagged so far, too.
    """
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        *([RateColumn()] if rate else []),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=max(total, 1))

        def update(done: int, flagged: int | None = None) -> None:
            words = title if flagged is None else f"{title}, {flagged} flagged"
            bar.update(task, completed=done, description=words)

        yield update
        bar.update(task, completed=max(total, 1))


def posterior_table(post: xr.DataTree, most: int = 10) -> Table:
    """Lay out mean and standard deviation of every label for the first stars."""
    labels = [str(name) for name in array(post, "point/parameter")]
    table = Table(title=f"posterior of the labels ({post.attrs['method']}), reduced chi2")
    for head in ("star", "label", "mean", "sd", "chi2", "flags"):
        table.add_column(head, no_wrap=True)
    means, sds = array(post, "point/mean"), point_sd(post)
    stats = post["sample_stats"].to_dataset()
    star_id = array(post, "point/star")
    for i, star in enumerate(star_id[:most]):
        dof = float(stats["dof"].values[i])
        chi2 = float(stats["chi2"].values[i]) / dof if dof > 0 else float("nan")
        words = [line.split(":")[0] for line in flags.explain(int(stats["flags"].values[i]))]
        for k, label in enumerate(labels):
            first = (str(star), f"{chi2:.2f}", "\n".join(words) or "-") if k == 0 else ("", "", "")
            numbers = f"{means[i, k]:.5g}", f"{sds[i, k]:.2g}"
            table.add_row(first[0], label, *numbers, *first[1:])
        table.add_section()
    if len(star_id) > most:
        table.caption = f"the first {most} of {len(star_id)} stars"
    return table
