# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # Masses and ages from a survey's catalogue: everything here is real
#
# No spectra, only six numbers a star: Teff, log g, [M/H], [alpha/M], [C/M], [N/M]. The first
# dredge-up changed a giant's surface carbon and nitrogen, and by how much depends on its mass. The
# training stars are 1502 Kepler giants with APOGEE abundances and seismic masses.

# %%
# %matplotlib inline
import sys

import numpy as np
from matplotlib.figure import Figure

import bayescannon as bc
from bayescannon import calibration as cal
from bayescannon.data import model_path
from bayescannon.labels.selection import carbon_and_nitrogen
from bayescannon.plots.style import BLUE, GREY, VERMILLION, save, styled
from bayescannon.precision import use_compilation_cache
from bayescannon.spectra.abundances import real_giants
from studies.calibration.abundances import cross_validate_by_state

use_compilation_cache()  # the second run starts warm

# %% [markdown]
# ## 1. The training set
#
# `real_giants` gives the six numbers as `Spectra` whose "pixels" are channels, the labels with the
# quoted errors of their masses, and the evolutionary state that asteroseismology found.

# %%
stars, labels, state = real_giants()
known = np.isfinite(labels["mass"])
print(stars.channel)
print(f"{len(stars)} giants, {known.sum()} with an APOKASC-2 mass, {(state == 'rc').sum()} clump")
print(f"quoted mass errors: median {100 * np.nanmedian(labels['mass_err'] / labels['mass']):.0f} %")

# %% [markdown]
# ## 2. Fit, and judge on stars that the fit has not seen
#
# Each state has a model of its own, since [C/N] at a given mass differs between them. State is NOT
# given for the stars that are judged: P(rc) comes from the same six numbers. Three folds here;
# `python -m benchmarks.abundances` has ten, and the baselines.
#
# A posterior of the true mass must not hold 68 % of catalogue masses, because these have errors
# themselves. So each is convolved with its star's quoted error times f, with tails, as training on
# the other folds found them.

# %%
recipe = bc.Recipe.load(model_path("apokasc-abundances") / "recipe.toml")
found = cross_validate_by_state(stars, labels, state, recipe, folds=3)[known]
truth = np.asarray(found["ln_mass_in"])
off = np.asarray(found["mean"]) - truth
pit = cal.pit_of_draws(np.asarray(found["predicted"]).T, truth)
shares = 100 * cal.coverage(pit, cal.LEVELS)
print(f"mass against the catalogue: {np.std(off) / np.log(10):.3f} dex rms")
print("50, 68, 90, 95 % intervals hold", np.round(shares, 1), "%")
print(f"f: branch {found['f_rgb'].mean():.2f}, clump {found['f_rc'].mean():.2f}")

# %% [markdown]
# f well below 1 says that quoted mass errors are larger than what the abundances leave
# unexplained, most of all in the clump. A formula that took them at face value would call its own
# intervals too wide.
#
# ## 3. Ages
#
# The shipped model was trained on all of these stars. What follows is IN SAMPLE: it shows the way,
# it proves nothing. For a whole allStar table it is one command:
# `bayescannon catalog --table allStar.fits --out catalog.fits`.

# %%
model = bc.model.load(model_path("apokasc-abundances"))
post = bc.infer(model, stars, "importance", draws=200)
table = bc.build_catalog(post, bc.infer_ages(post))
odd = (table["flags"] & int(bc.flags.Flag.NOT_SINGLE_STAR)) != 0
old = np.asarray(table["age_q50"])
print(table["star_id", "mass_q50", "age_q16", "age_q50", "age_q84", "p_rc"][:5])
print(f"median age {np.nanmedian(old):.1f} Gyr; {odd.sum()} stars that no single star explains")

# %% [markdown]
# ## 4. What the numbers look like
#
# Left: heavier giants have less carbon for their nitrogen. Right: the alpha-rich stars are old, and
# those among them that look young (ringed) are most likely merged or fed by a companion, not young.


# %%
@styled
def draw() -> Figure:
    """[C/N] against mass, and [alpha/M] against age."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    c_n, _ = carbon_and_nitrogen(*stars.flux[:, 4:].T)
    for name, colour in (("rgb", BLUE), ("rc", VERMILLION)):
        here = known & (state == name)
        left.plot(labels["mass"][here], c_n[here], ".", ms=3, color=colour, label=name.upper())
    left.set(xscale="log", xlabel="seismic mass [Msun]", ylabel="[C/N] [dex]")
    left.set_xticks([0.8, 1, 1.5, 2, 3], ["0.8", "1", "1.5", "2", "3"])
    left.legend()
    afe = np.asarray(table["afe_q50"])
    right.plot(old, afe, ".", ms=3, color=GREY)
    right.plot(old[odd], afe[odd], "o", mfc="none", color=VERMILLION, label="NOT_SINGLE_STAR")
    right.set(xscale="log", xlabel="median age [Gyr]", ylabel="[alpha/M] [dex]")
    right.set_xticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    right.legend()
    figure.suptitle(f"{len(stars)} real Kepler giants; ages in sample")
    return figure


figure = draw()
if "ipykernel" not in sys.modules and len(sys.argv) > 1:
    save(figure, sys.argv[1])
figure

# %% [markdown]
# ## 5. What is believable
#
# - Masses: within the training range (Teff 4034 to 5185 K, log g 1.35 to 3.29, [M/H] -0.85 to 0.24)
#   and on the training release's zero points of [C/M] and [N/M]. `catalog --table` warns where a
#   table's differ, and `--shift` takes the difference out.
# - Ages inherit the isochrones. In the clump ours are older than the published APOKASC-2 ages of
#   the same masses by 0.1 dex and more, which is mass loss and physics, not statistics.
# - The spread of each posterior is tested; a bias that all training masses share is not, and cannot
#   be with these data.
