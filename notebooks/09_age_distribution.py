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
# # The ages of a sub-sample, and one star by its id
#
# A catalogue's age column is one number per star, made with one prior. The ages of a *sample* ask
# for more: take the stored draws of every star, divide its prior out, and infer one distribution
# for all of them. Here the truth is known: **semi-synthetic** clump stars, made by the shipped
# model, of two bursts, 2 and 8 Gyr ago.

# %%
import tempfile
from pathlib import Path

import numpy as np

import bayescannon as bc
from bayescannon.ages import salaris
from bayescannon.ages.population import EDGES, age_likelihood, infer_population
from bayescannon.data import model_path
from bayescannon.precision import use_compilation_cache
from studies.ages.check import draw_masses
from studies.from_model import simulate_stars

use_compilation_cache()
folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(1)

# %% [markdown]
# ## A run on disk
#
# With your own stars this is `bayescannon catalog`, which leaves the same two stores of draws.

# %%
model = bc.Model.load(model_path("apokasc-mass"))
n = 256
labels = simulate_stars(model, n, seed=5).labels
labels[:, 1] = 2.45 + 0.05 * rng.normal(size=n)  # log g of the red clump
true_age = np.where(rng.uniform(size=n) < 0.4, 2.0, 8.0) * np.exp(0.1 * rng.normal(size=n))
grid = bc.Parsec.default()
mh = salaris(labels[:, 2], labels[:, 3])
log_mass = draw_masses(grid, "rc", np.log10(true_age), mh, labels[:, 1], rng)
labels[:, 4] = np.log(10) * log_mass
simulated = simulate_stars(model, n, seed=6, labels=labels)
simulated.spectra.save(folder / "spectra.zarr")
bc.infer(model, simulated.spectra, "importance", prior="flat", out=folder / "posteriors.zarr")
ages = bc.infer_ages(bc.open_posterior(folder / "posteriors.zarr"), prior="flat-age", p_rc=1.0)
ages.to_zarr(folder / "ages.zarr", zarr_format=3, consolidated=False)

# %% [markdown]
# ## From stored draws to a distribution
#
# `age_likelihood` bins each star's draws and divides its prior out; `infer_population` is a small
# NumPyro program: a histogram whose neighbouring bins are alike, sampled by NUTS. A prior that
# differs from star to star (`population`, `flat-log-mass`) cannot be divided out of mixed draws,
# and is refused.

# %%
stored = bc.open_posterior(folder / "ages.zarr")
draws = stored["posterior"]["age"].values[0].T  # (star, draw) [Gyr]
likelihood = age_likelihood(draws, stored.attrs["prior"])
sample = infer_population(likelihood, seed=0)
low, median, high = np.quantile(sample.star_median[0], [0.025, 0.5, 0.975])
print(f"{sample.stars[0]} stars; true median {np.median(true_age):.2f} Gyr")
print(f"inferred median of these stars: {median:.2f} Gyr, 95 % interval {low:.2f} to {high:.2f}")

# %% [markdown]
# What people do instead: a histogram of the medians, or all draws stacked. The first narrows each
# star to a point, the second counts its error twice and keeps the prior in. Of the three, only the
# inferred distribution can show two bursts as narrow as they are.

# %%
point, stacked = np.median(draws, axis=1), draws.ravel()
inferred = sample.weight[0].mean(axis=0)
error = sample.weight[0].std(axis=0)
print("age [Gyr]      true  medians  stacked  inferred")
for i, (a, b) in enumerate(zip(10 ** EDGES[:-1], 10 ** EDGES[1:], strict=True)):
    if a > 0.9:
        shares = [np.mean((x >= a) & (x < b)) for x in (true_age, point, stacked)]
        columns = "   ".join(f"{share:6.3f}" for share in shares)
        print(f"{a:5.2f} to {b:5.2f} {columns}   {inferred[i]:.3f} +- {error[i]:.3f}")

# %% [markdown]
# Many sub-samples at once: give each star the number of its sub-sample, and all are inferred
# together. That is how the maps of `bayescannon figures paper --only fig9` are simulated.

# %%
feh = bc.open_posterior(folder / "posteriors.zarr")["point"]["mean"].values[:, 2]
half = (feh > np.nanmedian(feh)).astype(int)  # 0: metal-poor half, 1: metal-rich half
both = infer_population(likelihood, half, seed=0)
for i, name in enumerate(("metal-poor", "metal-rich")):
    low, high = np.quantile(both.star_median[i], [0.025, 0.975])
    true = np.median(true_age[half == i])
    print(f"{name}: {low:.2f} to {high:.2f} Gyr (true {true:.2f})")

# %% [markdown]
# The spread of a model's mass scale is an error that all stars share; it does not average out over
# a sample. `infer_population(..., shared=0.03)` adds one of 0.03 dex in age;
# `studies.galaxy.recovery.shared_error` gives it for a model and a sample.
#
# ## One star by its id
#
# Catalogue, draws and spectrum are joined by `star_id`, in milliseconds whatever the store's size.

# %%
table = bc.build_catalog(bc.open_posterior(folder / "posteriors.zarr"), stored)
star = "made-000042"
row = table[table["star_id"] == star][0]
print(f"{star}: age {row['age_q50']:.2f}, flags: {bc.flags.explain(int(row['flags'])) or 'none'}")

# %%
post = bc.open_posterior(folder / "posteriors.zarr")
of_star = post["posterior"].sel(star=star)  # teff, logg, feh, afe, ln_mass: (chain, draw)
age = stored["posterior"]["age"].sel(star=star).values.ravel()
spectra = bc.Spectra.open(folder / "spectra.zarr")
flux, ivar = spectra[int(np.flatnonzero(spectra.star_id == star)[0])].arrays()
print(f"{of_star['ln_mass'].size} draws of mass, {age.size} of age, {int((ivar > 0).sum())} pixels")
