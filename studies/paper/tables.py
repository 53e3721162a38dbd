"""Table 1 and the comparisons of Section 4."""

import contextlib

import numpy as np
from astropy.table import Table

from bayescannon.calibration.point import half_width
from bayescannon.catalog.paper import paper_table
from bayescannon.data import apokasc
from bayescannon.errors import UserError
from bayescannon.labels import CarbonNitrogenRegion, paper_selection
from bayescannon.labels.selection import carbon_and_nitrogen
from studies.paper.item import Item, NotHere
from studies.paper.plots import outliers
from studies.paper.source import Source
from studies.paper.text import markdown

PAPER_OFFSETS = {"teff": (16, 50), "logg": (0.08, 0.14), "feh": (0.01, 0.04), "afe": (0.0, 0.03)}
"""Mean and standard deviation of label - ASPCAP's, Section 4."""
PERMUTATIONS = 1000
OUTLIERS = """As [C/N] tells the mass, stars
with an extreme [C/N] are expected among the youngest and the oldest."""


def plain(column) -> np.ndarray:
    """Values of a column as floats, without unit; NaN where it is masked."""
    return np.ma.filled(np.ma.asarray(getattr(column, "value", column)).astype(float), np.nan)


def table1(source: Source) -> Item:
    """Table 1: the catalogue in the paper's columns and natural logarithms."""
    table = paper_table(source.catalog)
    chi2 = plain(table["chi2"])
    trained = "age_trained_q50" in source.catalog.colnames
    numbers: dict[str, float | str] = {
        "stars": len(table),
        "chi2_below_2": float(np.mean(chi2 < 2)),
        "chi2_below_3": float(np.mean(chi2 < 3)),
        "lnAge": "trained on age" if trained else "from the mass",
        "data": source.note or "real",
    }
    columns = Table(
        rows=[(f"`{n}`", str(table[n].unit or ""), table[n].description) for n in table.colnames],
        names=("column", "unit", "what"),
    )
    kind = f"{source.note} stars" if source.note else "stars"
    two, three = (f"{100 * numbers[f'chi2_below_{n}']:.0f} %" for n in (2, 3))
    caption = f"""# Table 1: the catalogue

`table1.mrt`: {len(table)} {kind}, machine-readable (CDS), with the paper's columns and natural
logarithms. `e_` are formal errors: standard deviations of the posterior, for ages half the 16 to
84 % interval. `lnAge` is {numbers["lnAge"]} (the paper: by a model trained on age). Reduced chi2 is
below 2 for {two} and below 3 for {three} (the paper: 85 % of the clump, 95 % of all giants). The
paper has 70,000 giants, 20,000 of them in the red clump; its spectra are not to be had here. Ours
in addition: `Flags`, and `lnAgeM` where there are both ages.

{markdown(columns)}
"""
    return Item({}, caption, numbers, {"table1.mrt": table})


def section4(source: Source) -> Item:
    """Section 4: offsets against the survey's labels, and ages outside the C, N region."""
    catalog = source.catalog
    offsets, numbers = _offsets(source)
    numbers["data"] = source.note or "real"
    words, figures = "", {}
    try:
        figures["section4"], more, words = _outliers(source)
        numbers |= more
    except UserError as reason:  # also where labels lack
        words = f"Not made here: {reason}"
    caption = f"""# Section 4: how labels compare, and the stars outside the training set's C and N

{len(catalog)} stars in the catalogue. Labels less reference, mean and standard deviation; `robust`
is half the central 68 %.

{markdown(offsets)}

The paper, 70,000 real stars against ASPCAP: Teff 16 +- 50 K, log g 0.08 +- 0.14, [Fe/H]
0.01 +- 0.04, [alpha/Fe] 0.00 +- 0.03. Simulated stars are compared with what went in, which is no
comparison with ASPCAP. Stars whose ids are among the 1639 real giants are compared with their real
labels: ASPCAP's Teff, [Fe/H], [alpha/Fe], and the seismic log g. A demo's spectra of these are made
from the very labels, so that only its posteriors are tested, not ASPCAP.

{words}
"""
    return Item(figures, caption, numbers, {"section4_offsets.ecsv": offsets})


def _offsets(source: Source) -> tuple[Table, dict[str, float | str]]:
    real, catalog = apokasc(), source.catalog
    stars = {"catalogue": (np.asarray(catalog["star_id"], str), _means(catalog))}
    try:
        found = source.validation
        means = dict(zip(found.labels, found.mean.T, strict=True))
        stars["cross-validation"] = (np.asarray(found.star_id, str), means)
    except NotHere:
        pass
    references = {"real labels": real}
    with contextlib.suppress(NotHere):
        references["what went in"] = source.truth
    with contextlib.suppress(NotHere):
        references["survey"] = source.survey
    rows, numbers = [], {}
    for what, (star_id, means) in stars.items():
        for against, table in references.items():
            row = {str(name): i for i, name in enumerate(table["star_id"])}
            both = np.array([name in row for name in star_id])
            if not both.any():
                continue
            there = [row[name] for name in star_id[both]]
            for name in PAPER_OFFSETS:
                if name not in means or name not in table.colnames:
                    continue
                away = means[name][both] - plain(table[name])[there]
                away = away[np.isfinite(away)]
                three = float(away.mean()), float(away.std()), half_width(away)
                rows.append((what, against, name, away.size, *(f"{v:.4g}" for v in three)))
                key = f"{what}.{against}.{name}".replace(" ", "_")
                numbers |= {f"mean.{key}": three[0], f"sd.{key}": three[1]}
    if not rows:
        raise NotHere(
            "no star of the catalogue is among the 1639 real giants, and none was made: put the "
            f"survey's labels (`bc.read_all_star`) as survey.ecsv into {source.run}"
        )
    heads = ("stars of", "against", "label", "n", "mean", "sd", "robust")
    return Table(rows=rows, names=heads), numbers


def _means(catalog) -> dict[str, np.ndarray]:
    return {
        n: plain(catalog[f"{n}_mean"]) for n in PAPER_OFFSETS if f"{n}_mean" in catalog.colnames
    }


def _outliers(source: Source):
    """Compare ages of stars outside the training set's C, N region with those inside it."""
    catalog, real = source.catalog, apokasc()
    if "age_q50" not in catalog.colnames:
        raise NotHere("the catalogue has no ages")
    star_id = np.asarray(catalog["star_id"], str)
    known = _abundances(source, star_id)
    region = CarbonNitrogenRegion.fit(Table({n: plain(real[n]) for n in ("feh", "c_m", "n_m")}))
    labels = Table({"star_id": star_id} | {n: plain(catalog[f"{n}_q50"]) for n in PAPER_OFFSETS})
    labels["c_m"], labels["n_m"] = known
    has = np.isfinite(labels["c_m"]) & np.isfinite(labels["n_m"])
    boxed = np.asarray(paper_selection(labels)["selected"], bool) & has
    inside = boxed & region.holds(labels)
    outside = boxed & ~inside
    age = plain(catalog["age_q50"])
    a, b = (age[where & np.isfinite(age)] for where in (inside, outside))
    if min(a.size, b.size) < 5:
        raise NotHere(f"{b.size} stars lie outside the region and {a.size} inside: too few")
    distance, p_value = ks_test(a, b, source.seed)
    numbers = {
        "in_box": int(boxed.sum()),
        "outside_region": int(outside.sum()),
        "share_outside": float(outside.sum() / boxed.sum()),
        "median_age_inside": float(np.median(a)),
        "median_age_outside": float(np.median(b)),
        "ks_distance": distance,
        "ks_p": p_value,
    }
    verdict = "the same" if p_value > 0.05 else "not the same"
    why = "" if p_value > 0.05 else OUTLIERS
    share = 100 * outside.sum() / boxed.sum()
    words = f"""
**C and N.** {int(has.sum())} stars have [C/M] and [N/M]; {boxed.sum()} of them lie in the paper's
box of labels (4054 to 5120 K, 1.35 to 3.3, -0.85 to 0.30, -0.03 to 0.30). Of these {outside.sum()}
({share:.1f} %; the paper: 10 %) lie outside the region of [C/N] and [(C+N)/M] at their [Fe/H]. The
paper leaves it undefined; ours is the contour that holds 95 % of the real giants
(`bayescannon/labels/selection.py`). Ages (medians of posteriors): median {np.median(a):.1f} Gyr
inside, {np.median(b):.1f} Gyr outside; Kolmogorov-Smirnov distance {distance:.2f},
p = {p_value:.3f} (by {PERMUTATIONS} permutations): {verdict}. The paper finds them the same.
{why}"""
    x, y = carbon_and_nitrogen(np.asarray(labels["c_m"]), np.asarray(labels["n_m"]))
    figure = outliers.draw(x, y, inside, outside, age, note=source.note)
    return figure, numbers, words


def _abundances(source: Source, star_id: np.ndarray) -> np.ndarray:
    """[C/M] and [N/M] (2, star) of what went in, or of the real giants; NaN where unknown."""
    out = np.full((2, len(star_id)), np.nan)
    tables = [apokasc()]
    with contextlib.suppress(NotHere):
        tables.append(source.survey)
    with contextlib.suppress(NotHere):
        tables.append(source.truth)
    for table in tables:
        if not {"c_m", "n_m"} <= set(table.colnames):
            continue
        values = np.stack([plain(table[name]) for name in ("c_m", "n_m")])
        row = {str(name): i for i, name in enumerate(table["star_id"])}
        there = np.array([row.get(name, -1) for name in star_id])
        out[:, there >= 0] = values[:, there[there >= 0]]
    return out


def ks_test(a: np.ndarray, b: np.ndarray, seed: int) -> tuple[float, float]:
    """Largest distance of two samples' distribution functions, and its p-value by permutation."""
    both, n = np.concatenate([a, b]), len(a)
    order = np.argsort(both, kind="stable")
    rng = np.random.default_rng(seed)

    def distance(first: np.ndarray) -> float:
        steps = np.where(first[order], 1 / n, -1 / len(b))
        return float(np.abs(np.cumsum(steps)).max())

    mine = np.arange(len(both)) < n
    seen = distance(mine)
    others = [distance(rng.permutation(mine)) for _ in range(PERMUTATIONS)]
    return seen, float((1 + np.sum(np.array(others) >= seen - 1e-12)) / (1 + PERMUTATIONS))
