"""`calibrate`: are the posteriors honest, and where not? In one command."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from bayescannon.cli.console import Seed, console, progress, text_table
from bayescannon.cli.lazy import plain_app
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from studies.calibration.html import report
from studies.calibration.report import assess, load_world
from studies.calibration.runner import NAMES, part_folder, run_part
from studies.calibration.scenarios import FULL, QUICK, WORLDS, Size

RECORDED = "quadratic"
"""World whose inflation is written for use."""
CAPTION = "intervals hold [%], z-width; after: with the recorded inflation"

app = plain_app()


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="Folder to write; worlds that are there are kept.")],
    quick: Annotated[
        bool, typer.Option(help="Two minutes: few stars, every tenth pixel, one seed a world.")
    ] = False,
    world: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this one ({', '.join(NAMES)}); may be repeated."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Judge posteriors where the truth is known, and write report.html and report.json.

    Every world that is done is kept in OUT/worlds: the same command goes on where it stopped.
    """
    for name in world or ():
        if name not in NAMES:
            raise UserError(f"--world {name} is unknown: use one of {', '.join(NAMES)}")
    run(out, QUICK if quick else FULL, seed, world or list(NAMES), most_seeds=1 if quick else 3)


def run(out: Path, size: Size, seed: int, wanted: list[str], most_seeds: int = 3) -> dict:
    """Run the wanted worlds, and report all that are complete; gives what the JSON holds."""
    begin, kept = time.perf_counter(), out / "worlds"
    seeds = {
        name: range(seed, seed + min(most_seeds, WORLDS[name].n_seed if name in WORLDS else 1))
        for name in NAMES
    }
    for name in (n for n in NAMES if n in wanted):
        for one in seeds[name]:
            with progress(f"{name}, seed {one}", 1) as update:
                run_part(kept, name, size, one, lambda *_: None)
                update(1)
    folders = {name: [part_folder(kept, name, size, s) for s in seeds[name]] for name in NAMES}
    done = {n: f for n, f in folders.items() if all((p / "about.json").is_file() for p in f)}
    worlds, samples = {}, {}
    with progress("judging", len(done)) as update:
        for i, (name, parts) in enumerate(done.items()):
            samples[name], rivals = load_world(parts)
            worlds[name] = assess(name, samples[name], rivals, parts)
            update(i + 1)
    made = sum(about["seconds"] for found in worlds.values() for about in found["about"])
    text = json.dumps({"seed": seed, "seconds": made, "worlds": worlds}, indent=1)
    _write(out / "report.json", text + "\n")
    _write(out / "report.html", report(worlds, samples))
    if RECORDED in worlds:
        halves = worlds[RECORDED]["inflation"]
        mean = {k: [sum(c) / len(c) for c in zip(*v, strict=True)] for k, v in halves.items()}
        _write(out / "inflation.json", json.dumps(mean, indent=1) + "\n")
    _show(worlds)
    console.print(
        f"{out / 'report.html'}: {time.perf_counter() - begin:.0f} s now, worlds took {made:.0f} s"
    )
    return worlds


def _write(path: Path, text: str) -> None:
    with write_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _show(worlds: dict[str, dict]) -> None:
    heads = ("quantity", "50", "68", "90", "95", "z", "68\nafter", "z\nafter", "verdict")
    for world, found in worlds.items():
        rows: list[tuple[str, ...]] = []
        for name, q in found["quantities"].items():
            b, a = q["before"], q["after"]
            held = [f"{100 * c:.1f}" for c in b["coverage"]]
            later = f"{100 * a['coverage'][1]:.1f}", f"{a['z']:.3f}"
            word = "breaks" if q["breaks"] else "holds"
            rows.append((name, *held, f"{b['z']:.3f}", *later, word))
        console.print(text_table(heads, rows, f"{world}: {found['title']}"))
    console.print(CAPTION)
