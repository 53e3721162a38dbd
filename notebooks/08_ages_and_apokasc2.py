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
# # Ages from masses, and the published APOKASC-2 ages
#
# Our ages of real Kepler giants, from their published seismic masses, against the ages published
# with those masses (`age_apokasc2`; Pinsonneault et al. 2018, ApJS 239, 32). Mass goes in with its
# quoted error, the evolutionary state is the catalogue's. So the comparison is of the step from
# mass to age alone. No spectrum and no model is used.
#
# The script also runs as it is: `python notebooks/08_ages_and_apokasc2.py [FOLDER]` writes the
# figures to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
from pathlib import Path

import numpy as np

from bayescannon import Parsec, infer_ages
from bayescannon.ages import salaris
from bayescannon.ages.systematics import real_giants
from bayescannon.plots.style import save
from studies.ages.check import measure_reliability
from studies.ages.plots import draw_p_rc, draw_published_ages, offset_and_scatter

arguments = [] if "ipykernel" in sys.modules else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## How well is the state known?
#
# Where the state is not given, `infer_ages` learns P(red clump) from teff, log g, [Fe/H] and
# [alpha/Fe]. Ten-fold cross-validation on the giants whose state is known from asteroseismology:

# %%
reliability = measure_reliability()
print(
    f"{len(reliability.p)} stars: log score {reliability.log_score:.3f} (coin: 0.693), "
    f"Brier {reliability.brier:.4f} (coin: 0.25), {reliability.accuracy:.1%} right"
)
figure = draw_p_rc(reliability.p, reliability.rc, note="10-fold, real stars")
save(figure, folder / "ages_states.png")
figure

# %% [markdown]
# ## Ours against theirs

# %%
giants = real_giants(mass="mass_apokasc2")
rc = giants.rc


def ages_of(post, prior="flat-age"):
    """Median age [Gyr] of each star."""
    ages = infer_ages(post, prior=prior, p_rc=rc.astype(float), seed=0)
    return ages["point"]["quantile"].sel(quantity="age", level=0.5).values


def say(name, ours, where=True):
    """Print offset and scatter of log10(ours / published) for each state."""
    for state, here in (("giant branch", ~rc), ("red clump", rc)):
        here = here & where & np.isfinite(ours) & np.isfinite(giants.published_age)
        offset, scatter = offset_and_scatter(np.log10(ours[here] / giants.published_age[here]))
        print(f"{name:42s} {state:13s} {here.sum():4d}  {offset:+.3f}  {scatter:.3f}")


print(f"{'log10(ours / published) [dex]':42s} {'state':13s}    n  median  scatter")
ours = ages_of(giants.post)
say("flat-age, medians of the posteriors", ours)
figure = draw_published_ages(giants.published_age, ours, rc, note="real APOKASC-2 masses")
save(figure, folder / "ages_published.png")
figure

# %% [markdown]
# ## Where the difference comes from
#
# Published ages are what a track gives at the star's mass: no prior, no limit at the age of the
# Universe. So the like-for-like comparison is our table read off at the catalogued mass. What is
# left then is the physics of the two sets of models.

# %%
table = Parsec.default()
first = giants.post["posterior"].isel(chain=0, draw=0)
feh = giants.post["posterior"]["feh"].mean(("chain", "draw")).values
afe, logg, log_mass = first["afe"].values, first["logg"].values, np.log10(giants.mass)


def read_off(mh, state_rc=rc):
    """Age [Gyr] of the table at exactly the catalogued mass; NaN outside."""
    branch = np.asarray(table.age_of_mass(log_mass, mh, "rgb", logg))
    clump = np.asarray(table.age_of_mass(log_mass, mh, "rc"))
    return np.where(state_rc, clump, branch)


young = giants.published_age < 10
say("table at that mass, no posterior", read_off(salaris(feh, afe)))
say("the same, published age < 10 Gyr", read_off(salaris(feh, afe)), young)
say("the same, alpha ignored", read_off(feh), young)
say("the same, clump read as branch (no loss)", read_off(salaris(feh, afe), rc & False), young)
for prior in ("flat-log-mass", "flat-log-age", "population"):
    say(f"posterior, {prior}", ages_of(giants.post, prior))

# %% [markdown]
# ### By mass

# %%
same = read_off(salaris(feh, afe))
print("log10(table / published) [dex], median per bin of mass [Msun]")
for low, high in ((0.8, 1.0), (1.0, 1.2), (1.2, 1.5), (1.5, 2.0), (2.0, 3.0)):
    inside = (giants.mass >= low) & (giants.mass < high)
    for state, here in (("giant branch", inside & ~rc), ("red clump", inside & rc)):
        here = here & np.isfinite(same) & np.isfinite(giants.published_age)
        if here.sum() >= 10:
            middle = np.median(np.log10(same[here] / giants.published_age[here]))
            print(f"{low}-{high} {state:13s} {here.sum():4d} stars  {middle:+.3f}")

# %% [markdown]
# ### How much more mass would the clump have to lose?
#
# At the published age our table gives a clump star a mass; the star has another one. If mass loss
# alone made the difference, our tracks would have to lose that much more before the clump.

# %%
x = np.log10(np.where(rc & young, giants.published_age, np.nan))
at_their_age = 10 ** np.asarray(table.log_mass(x, salaris(feh, afe), "rc"))
for low, high in ((0.8, 1.0), (1.0, 1.2), (1.2, 1.5), (1.5, 2.0), (2.0, 3.0)):
    here = (giants.mass >= low) & (giants.mass < high) & np.isfinite(at_their_age)
    extra = np.median((at_their_age - giants.mass)[here])
    print(f"{low}-{high} Msun: {extra:+.3f} Msun more")

# %% [markdown]
# ## What this supports
#
# * Rows that differ only in the prior show what the prior alone does; the rows "table at that
#   mass" show what the models alone do. The scatter of the latter is no noise of the mass, which
#   goes in exactly: metallicities (ours are DR12's) and smooth differences of the models make it.
# * Published ages reach 20 Gyr; ours end at 13.8 Gyr by the prior. That bends the old end of the
#   figure, and says nothing of the models.
# * Giant branch: with alpha ignored the offset all but vanishes, with it our ages are older. So
#   the published grid treats alpha otherwise than Salaris's formula with the DR12 abundances, or
#   another difference happens to cancel it: this comparison cannot tell which.
# * Red clump: ours are older at every mass. Reading the stars off the giant branch does not mend
#   it, so the published ages imply more mass loss than eta = 0.2, not less, or another model of
#   the clump. The extra loss needed does not fall towards the masses that hardly lose any, so mass
#   loss alone is not the explanation.
# * Which of overshooting, helium, mixing length and opacities makes the rest cannot be told from
#   these two columns: it takes the other models' tables.
