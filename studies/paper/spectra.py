"""Fig. 2: one red-clump star's spectrum and model in the eight windows."""

import numpy as np

from bayescannon.errors import UserError
from bayescannon.model import Model
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.style import number
from bayescannon.plots.windows import PAPER_WINDOWS, unlike_paper_star
from studies.paper.item import Item, NotHere
from studies.paper.source import Source
from studies.paper.tables import plain


def fig2(source: Source) -> Item:
    """Fig. 2: the star that is most like the paper's, among those whose spectra are kept."""
    spectra, model, catalog = source.spectra, source.model, source.catalog
    row = {str(name): i for i, name in enumerate(catalog["star_id"])}
    rows = [row[str(name)] for name in spectra.star_id if str(name) in row]
    names = model.labels
    labels = np.column_stack([plain(catalog[f"{name}_mean"])[rows] for name in names])
    distance = unlike_paper_star(labels, model)
    if not np.isfinite(distance).any():
        raise NotHere(f"{source.run}: no star whose spectrum is kept has a posterior")
    best = int(np.nanargmin(distance))
    star = str(catalog["star_id"][rows[best]])
    place = list(map(str, spectra.star_id)).index(star)
    flux, ivar = (a[0] for a in spectra[[place]].arrays())
    at = labels[best]
    sd, share, band = _band(model, at)
    expected = model.predict(at)[0]
    good = (ivar > 0) & np.isfinite(expected)
    residual2 = (flux - expected)[good] ** 2
    freedom = int(good.sum()) - len(names)
    chi2 = float(np.sum(residual2 / (1 / ivar[good] + model.scatter[good] ** 2)) / freedom)
    inside = float(np.mean(residual2 <= 1 / ivar[good] + sd[good] ** 2))
    found = ", ".join(f"{n} {number(n, v)}" for n, v in zip(names, at, strict=True))
    numbers: dict[str, float | str] = {
        "star": star,
        "chi2_red": chi2,
        "median_sd": float(np.nanmedian(sd)),
        "median_sd_coefficients": share,
        "inside_1_sd": inside,
        "pixels": int(good.sum()),
        "data": source.note or "real",
    } | {f"label.{n}": float(v) for n, v in zip(names, at, strict=True)}
    kind = f"a **{source.note}** star" if source.note else "a star"
    caption = f"""# Fig. 2: spectrum and model in eight windows

Black: {kind}, {star}, of the {len(rows)} whose spectra this run keeps the one most like the
paper's (4843 K, 2.5, -0.06, 0.04, 1.0 Msun). Grey: noise, one standard deviation. Red: the model
at the posterior mean ({found}),
with a band of one standard deviation: {band}.
Windows: those of Figs 3 to 6 of the paper. Below each: residual over noise and band.

Reduced chi2 over {numbers["pixels"]} pixels: {chi2:.2f}, intrinsic scatter s^2 included, as in the
paper. {100 * inside:.0f} % of the pixels lie within one standard deviation of noise and band
together (68 % expected).

**The paper** shows the same windows for a real clump star, and the survey's own best fit, which its
model beats. **Ours** has no such curve: the best fit is in aspcapStar files; simulated spectra
do not have it and stores of spectra do not keep.
"""
    figure = draw_spectrum(
        model,
        flux,
        ivar,
        at,
        np.array(PAPER_WINDOWS),
        sd=sd,
        width=30.0,
        star_id=star,
        note=source.note,
    )
    return Item({"fig2": figure}, caption, numbers)


def _band(model: Model, at: np.ndarray) -> tuple[np.ndarray, float, str]:
    """Sd of the model's spectrum at labels (label,), the coefficients' share in it, and words."""
    try:
        sd = model.predict_sd(at)[0]
    except UserError:  # a model that was stored without the uncertainty of its coefficients
        words = (
            "the intrinsic scatter alone: this model is stored without coefficient uncertainties"
        )
        return model.scatter, np.nan, words
    noise_of_theta = sd**2 - model.scatter**2 - np.sum(model.factors**2, axis=1)
    share = float(np.nanmedian(np.sqrt(np.maximum(noise_of_theta, 0.0))))
    words = (
        "uncertainty of the coefficients, residual factors and intrinsic scatter "
        f"(median over pixels {np.nanmedian(sd):.4f}, of which coefficients {share:.4f})"
    )
    return sd, share, words
