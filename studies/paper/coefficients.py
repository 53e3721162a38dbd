"""Figs 3 to 6: which pixels tell the labels, found in the models that ship or that a run made."""

import numpy as np

from bayescannon.data import element_windows, lines, model_path
from bayescannon.model import Model
from bayescannon.plots.style import number
from bayescannon.plots.windows import PAPER_OF_LABEL, axis, first_order, strongest_wavelengths
from studies.paper.information import (
    expanded_about,
    information,
    information_table,
    strongest_table,
    window_masks,
)
from studies.paper.item import Item, NotHere
from studies.paper.plots import strongest
from studies.paper.source import Source
from studies.paper.text import markdown

REAL, MADE = "apogee-dr12-four-label", "apokasc-mass"
FIDUCIAL = {"teff": 4761.0, "logg": 2.5, "feh": 0.0, "afe": 0.06, "ln_mass": 0.3}
"""The labels of Figs 3 to 6, means of the paper's training set. It gives no log g: ours is the mean
of the 1502 real giants. Its "mass = 0.3" is ln mass, 1.35 Msun."""
STEPS = {
    "logg": (1.5, 2.1, 3.3),
    "teff": (4300.0, 4700.0, 5100.0),
    "feh": (-0.8, -0.3, 0.2),
    "afe": (0.0, 0.13, 0.26),
    "ln_mass": (-0.2, 0.3, 0.8),
}
"""Values for which spectra are generated: the paper's for log g, for the others ours."""
WIDTH = 30.0
NEAR = 2.0
"""How far a found pixel may be from the paper's window to count as the same [Angstrom]."""
TOP, APART = 10, 2.0
"""So many pixels a label are listed, so far apart [Angstrom]."""
NOISE = 0.01
"""Photon noise of a pixel for the Fisher information: S/N 100."""


def fig3(source: Source) -> Item:
    """Fig. 3: the two strongest windows of log g."""
    return _item("fig3", _real(), ("logg", "logg"), FIG3)


def fig4(source: Source) -> Item:
    """Fig. 4: the two strongest windows of Teff."""
    return _item("fig4", _real(), ("teff", "teff"), FIG4)


def fig5(source: Source) -> Item:
    """Fig. 5: the strongest windows of [Fe/H] and [alpha/Fe]."""
    return _item("fig5", _real(), ("feh", "afe"), FIG5)


def fig6(source: Source) -> Item:
    """Fig. 6: the two strongest windows of mass, and where the mass information sits."""
    model = Model.load(model_path(MADE)) if source.run is None else source.model
    if "ln_mass" not in model.labels:
        raise NotHere(f"the run's model {model.name!r} has no label ln_mass: leave --run out")
    made = source.semi_synthetic or "SEMI-SYNTHETIC" in model.card
    note = "semi-synthetic" if made else ""
    shown = expanded_about(model, _fiducial(model))
    item = _item("fig6", shown, ("ln_mass", "ln_mass"), FIG6 if made else FIG6_REAL, note)
    top = item.tables["fig6_pixels.ecsv"]
    in_molecules = np.isin(top["species"], ["CN", "CO"]) & (np.abs(top["distance"]) < 0.5)
    table = information_table(
        shown, "ln_mass", NOISE, window_masks(shown, lines(), element_windows())
    )
    numbers = dict(item.numbers) | {
        "strongest_5_in_CN_or_CO": int(in_molecules[:5].sum()),
        "sd_ln_mass.diagonal": information(shown, "ln_mass", NOISE, full=False) ** -0.5,
        "sd_ln_mass.full": information(shown, "ln_mass", NOISE, full=True) ** -0.5,
    }
    for row in table:
        numbers |= {f"{key}.{row['window']}": float(row[key]) for key in table.colnames[2:]}
    percent = {key: f"{100 * numbers[f'{key}.CN or CO']:.0f} %" for key in table.colnames[2:]}
    largest = table[np.argsort(-np.asarray(table["share_diagonal"]))][:7]
    five = numbers["strongest_5_in_CN_or_CO"]
    sd, sd_full = numbers["sd_ln_mass.diagonal"], numbers["sd_ln_mass.full"]
    words = f"""
Of the five strongest, {five} lie within 0.5 A of an identified CN or CO line. `fig6b.png` shows
the paper's own two windows in the same model.

**Mass information.** Fisher information on ln mass at the fiducial labels, the other labels known,
noise of {NOISE:g} in every pixel (S/N {1 / NOISE:.0f}) and the model's intrinsic scatter.

- Without residual factors information is a sum over pixels. Pixels within 0.4 A of an identified
  CN or CO line are {percent["pixel_share"]} of all and hold {percent["share_diagonal"]} of it.
- With the factors' covariance (Woodbury) it is no sum. Measured alone, CN and CO hold
  {percent["share_alone"]} of what all pixels hold together. Other windows, measured alone, hold
  much, too: few pixels suffice to reach the limit that the factors set, how closely mass follows
  from C and N.
- All pixels: sd of ln mass {sd:.3f} without factors, {sd_full:.3f} with them.

Windows overlap: `share_diagonal` counts a shared pixel in each of its windows, `share_divided`
divides it equally among them and adds up to one. Windows of elements, in brackets, are ASPCAP's of
DR12. `fig6_information.ecsv` has all; the largest:

{markdown(largest)}
"""
    return item._replace(
        figures=dict(item.figures) | {"fig6b": _papers_mass_windows(shown, note)},
        caption=item.caption + words,
        numbers=numbers,
        tables=dict(item.tables) | {"fig6_information.ecsv": table},
    )


def _real() -> Model:
    model = Model.load(model_path(REAL))
    return expanded_about(model, _fiducial(model))


def _fiducial(model: Model) -> np.ndarray:
    pivots = zip(model.labels, model.scaling.pivot, strict=True)
    return np.array([FIDUCIAL.get(name, pivot) for name, pivot in pivots])


def _item(name: str, model: Model, labels: tuple[str, str], words: str, note: str = "") -> Item:
    """Find the windows, draw them, list the strongest pixels, and say how it compares."""
    count = 2 if labels[0] == labels[1] else 1
    found = dict(zip(model.labels, strongest_wavelengths(model, count, WIDTH), strict=True))
    windows, told = [], []
    numbers: dict[str, float | str] = {"model": model.name, "data": note or "real"}
    for label in dict.fromkeys(labels):
        papers = PAPER_OF_LABEL[label]
        for rank, at in enumerate(map(float, found[label]), 1):
            nearest = min(papers, key=lambda p: abs(p - at))
            close = nearest if abs(nearest - at) < WIDTH / 2 else None
            windows.append(strongest.Window(label, at, close, STEPS[label]))
            numbers |= {f"found.{label}.{rank}": at, f"from_paper.{label}.{rank}": at - nearest}
            told.append(
                f"{label} at {at:.1f} A, "
                + (
                    f"{at - nearest:+.1f} A from the paper's {nearest:.0f}"
                    if close
                    else "not there"
                )
            )
        numbers |= _at_the_papers(model, label)
    away = [abs(float(v)) for k, v in numbers.items() if k.startswith("from_paper")]
    numbers["within_2_angstrom"] = sum(v <= NEAR for v in away)
    top = strongest_table(model, lines(), TOP, APART)
    top = top[np.isin(np.asarray(top["label"], str), labels)]
    pivots = ", ".join(
        f"{n} {number(n, p)}" for n, p in zip(model.labels, model.scaling.pivot, strict=True)
    )
    kind = f"**{note}** spectra" if note else "real spectra"
    caption = f"""# Fig. {name[3:]}: the strongest pixels of {" and ".join(dict.fromkeys(labels))}

Model `{model.name}`, trained on {kind}. From the top: zeroth-order coefficient with
identified lines; windows of elements; first-order coefficients, each over its largest absolute
value; spectra generated at three values of the label. The polynomial is expanded about the paper's
fiducial labels (pivots: {pivots}): coefficients, and which pixel is
strongest, depend on these. Windows are found, not given: the pixels with the largest coefficients,
{WIDTH:.0f} A apart.

**Found:** {"; ".join(told)}.
{numbers["within_2_angstrom"]} of {len(away)} lie within {NEAR:g} A of the paper's.

{words}

The strongest pixels, {APART:g} A apart, with the nearest identified line and others within 0.5 A:

{markdown(top)}
"""
    figure = strongest.draw(model, windows, lines(), element_windows(), width=WIDTH, note=note)
    return Item({name: figure}, caption, numbers, {f"{name}_pixels.ecsv": top})


def _papers_mass_windows(model: Model, note: str):
    """Draw the paper's windows of mass around the strongest pixel in each."""
    wavelength, slope = axis(model), np.abs(first_order(model)[:, model.labels.index("ln_mass")])
    windows = []
    for at in PAPER_OF_LABEL["ln_mass"]:
        near = np.where(np.abs(wavelength - at) <= NEAR, np.nan_to_num(slope), -1.0)
        strong = float(wavelength[np.argmax(near)])
        windows.append(strongest.Window("ln_mass", strong, at, STEPS["ln_mass"]))
    return strongest.draw(model, windows, lines(), element_windows(), width=WIDTH, note=note)


def _at_the_papers(model: Model, label: str) -> dict[str, float]:
    """Largest coefficient within 2 A of each window of the paper, over the largest of all."""
    wavelength, slope = axis(model), first_order(model)[:, model.labels.index(label)]
    most = np.nanmax(np.abs(slope))
    near = {at: np.abs(wavelength - at) <= NEAR for at in PAPER_OF_LABEL[label]}
    return {
        f"strength_at_papers.{label}.{at:.0f}": float(np.nanmax(np.abs(slope[where])) / most)
        for at, where in near.items()
    }


FIG3 = """
**The paper:** the wings of Mg I at 15770.15, the upper one first, and second Brackett-11 near
16810, whose coefficient has the other sign. **Ours:** the same two. The wings of Mg deepen with
log g (negative coefficient), the Brackett line gets shallower. At the shipped model's own pivots
(4500 K, 2.0, -0.3, 0.05) the Brackett line is only fourth: a first-order coefficient belongs to its
pivot."""
FIG4 = """
**The paper:** the cores of two Ti lines, one blended with Fe, the other with CN. **Ours:** the
same two, in the other order. The text of 3.3.2 has the sign of the flux reversed against its own
captions: in hotter stars lines are weaker and the flux rises, as here (positive coefficient)."""
FIG5 = """
**The paper:** a blended Mn line for [Fe/H], and for [alpha/Fe] the core of Mg I near 16370, with
CO and OH. **Ours:** the same two."""
FIG6 = """
**The paper:** 15241 and 16191, blends of CN and CO; its five largest coefficients of mass all
belong to CN or CO. **Ours** differs, and must: no real spectra with masses could be had. This model
learned from semi-synthetic spectra, in which mass acts through carbon and nitrogen in the shape of
the survey's DR16 sensitivities. That mass sits in CN and CO is put in; the picture shows that
training finds it, not that nature does so. 12C and 13C cannot be told apart with these data."""
FIG6_REAL = """
**The paper:** 15241 and 16191, blends of CN and CO; its five largest coefficients of mass
all belong to CN or CO. 12C and 13C cannot be told apart with these line lists."""
