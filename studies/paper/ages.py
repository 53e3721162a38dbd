"""Figs 12 and 13: mass against age of the red clump, and the training labels."""

import numpy as np

from bayescannon.ages import Parsec, salaris
from bayescannon.data import apokasc
from bayescannon.labels import label_arrays
from bayescannon.plots.ages import smooth_density
from bayescannon.plots.labels import draw_training_labels
from studies.paper.item import Item, NotHere
from studies.paper.plots import mass_age
from studies.paper.source import Source
from studies.paper.tables import plain

CLUMP = 0.5
"""A star counts to the red clump if its P(rc), from the labels without the mass, is above this."""
TRACKS = (0.3, -0.7)
"""[Fe/H] of the tracks of Fig. 12."""
CHECK_MASSES = (1.0, 1.2, 1.5, 2.0)
WHY = """Why: the ages trained on are APOKASC-2's, of corrected seismic masses and other isochrones,
while the masses are those of the plain scaling relation; for the clump, published ages and our grid
differ by 0.16 dex already at the same mass (README, Ages)."""


def clump_track(feh: float) -> tuple[np.ndarray, np.ndarray]:
    """Mass [Msun] and age [Gyr] of the red clump at one [Fe/H], solar alpha (PARSEC)."""
    grid = Parsec.default()
    x = np.linspace(np.log10(0.3), np.log10(grid.last_age), 120)
    mass = grid.log_mass(x, np.full_like(x, salaris(feh, 0.0)), "rc")
    return 10 ** np.asarray(mass), 10**x


NEEDED = {
    "age_trained_q50": "`build_catalog(post, ages, trained_on_age=...)`, or `bayescannon demo`",
    "mass_q50": "a model that has the label ln_mass",
    "p_rc": "`bayescannon ages`",
}
"""Columns of the catalogue that Fig. 12 needs, and what makes them."""


def fig12(source: Source) -> Item:
    """Fig. 12: mass, trained on mass, against age, trained on age."""
    table, grid = source.catalog, Parsec.default()
    for name, how in NEEDED.items():
        if name not in table.colnames:
            raise NotHere(f"the catalogue has no column {name!r}: make it with {how}")
    chosen = table[plain(table["p_rc"]) > CLUMP]
    mass, age, feh = (plain(chosen[f"{n}_q50"]) for n in ("mass", "age_trained", "feh"))
    afe = plain(chosen["afe_q50"]) if "afe_q50" in chosen.colnames else np.zeros_like(feh)
    mh = np.clip(salaris(feh, afe), grid.mh[0], grid.mh[-1])
    expected = np.asarray(grid.age_of_mass(np.log10(mass), mh, "rc"))
    away = np.log10(age / expected)
    known = age[np.isfinite(age)]
    x = np.linspace(0.2, 16.0, 400)
    inside = float(np.mean((known > 0) & (known < 14.0)))
    offset = float(np.nanmedian(away))
    scatter = float(np.nanpercentile(away, [16, 84]) @ [-0.5, 0.5])
    numbers: dict[str, float | str] = {
        "stars": len(known),
        "peak_age": float(x[np.argmax(smooth_density(known, x, np.inf))]),
        "median_age": float(np.median(known)),
        "inside_0_14_gyr": inside,
        "offset_from_track_dex": offset,
        "scatter_about_track_dex": scatter,
        "without_track": int(np.isnan(away).sum()),
        "data": source.note or "real",
    }
    for track in TRACKS:
        at = grid.age_of_mass(np.log10(CHECK_MASSES), np.full(4, salaris(track, 0.0)), "rc")
        for m, t in zip(CHECK_MASSES, np.asarray(at), strict=True):
            numbers[f"track.{track:+.1f}.{m:.1f}"] = float(t)
    told = [
        f"{', '.join(f'{numbers[f"track.{track:+.1f}.{m:.1f}"]:.1f}' for m in CHECK_MASSES)} Gyr "
        f"at [Fe/H] = {track:+.1f}"
        for track in TRACKS
    ]
    kind = f"**{source.note}** stars" if source.note else "stars"
    caption = f"""# Fig. 12: mass against age of the red clump

{numbers["stars"]} {kind} with P(rc) above {CLUMP:g} (from Teff, log g, [Fe/H], [alpha/Fe]; the
paper takes Bovy et al.'s sample). Medians of the mass by the model trained on mass, and of the age
by the one trained on age; colour: [Fe/H]. Tracks: PARSEC current mass in the core-helium phase (its
median over the phase), Reimers eta 0.2. Dotted: 14 Gyr. Below: density of the
ages. The tracks' ages at {", ".join(f"{m:g}" for m in CHECK_MASSES)}
Msun: {"; ".join(told)}.

The age distribution peaks at {numbers["peak_age"]:.1f} Gyr (the paper: 2.5), its median is
{numbers["median_age"]:.1f} Gyr; {100 * inside:.1f} % lie within 0 to 14 Gyr (the paper: more than
95 %).

Against the track at its own metallicity the trained age of a star is {offset:+.2f} dex off in the
median, scatter {scatter:.2f} dex ({numbers["without_track"]} stars have a mass that no clump
isochrone has).
{WHY if source.semi_synthetic else ""}
"""
    tracks = {f"PARSEC clump, [Fe/H] = {track:+.1f}": clump_track(track) for track in TRACKS}
    figure = mass_age.draw(mass, age, feh, tracks, heading="Red clump", note=source.note)
    return Item({"fig12": figure}, caption, numbers)


def fig13(source: Source) -> Item:
    """Fig. 13: all pairs of training labels: the run's, or the real catalogue's."""
    if source.run is None:
        real = apokasc()
        names = ("teff", "logg", "feh", "afe", "ln_mass")
        columns = [plain(real[name]) for name in names[:4]] + [np.log(plain(real["mass"]))]
        labels, kind, note = np.column_stack(columns), "the real catalogue's, as published", ""
    else:
        table, names = source.training, source.model.labels
        labels, _ = label_arrays(table, names, np.asarray(table["star_id"], str))
        kind = "those handed to this run's training"
        note = source.note
        if note:
            kind += f": real ones, the first four with added errors ({note})"
    numbers: dict[str, float | str] = {"stars": len(labels), "data": note or "real"}
    rows = []
    for name, column in zip(names, labels.T, strict=True):
        low, middle, high = np.nanmin(column), np.nanmedian(column), np.nanmax(column)
        numbers |= {f"min.{name}": low, f"median.{name}": middle, f"max.{name}": high}
        rows.append(f"| {name} | {low:.4g} | {middle:.4g} | {high:.4g} |")
    caption = f"""# Fig. 13: the training labels

{len(labels)} stars, {kind}. The paper: 1639 stars, [Fe/H] from -0.85 to 0.30.

| label | smallest | median | largest |
| --- | --- | --- | --- |
{chr(10).join(rows)}
"""
    return Item({"fig13": draw_training_labels(labels, names, note=note)}, caption, numbers)
