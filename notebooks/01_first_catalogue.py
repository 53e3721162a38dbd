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
# # A first catalogue: from spectra to ages
#
# This notebook goes the whole way once: spectra, training, posteriors, ages, catalogue. It reads
# in ten minutes and runs in about one on two cores. Open it with Jupytext, or run it as a script.
#
# Every spectrum below is **semi-synthetic**: real labels and a real spectral model, with noise and
# chemistry added that the labels do not know. Where the truth matters we use simulated stars whose
# truth is known.

# %%
import numpy as np

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.precision import use_compilation_cache

use_compilation_cache()  # the second run starts warm

# %% [markdown]
# ## 1. Spectra and labels
#
# `make_apokasc` gives spectra of 1502 real Kepler giants. The first four labels carry random errors
# (25 K, 0.02, 0.015, 0.015 dex); the masses are the real seismic ones, with their real errors.

# %%
training = bc.make_apokasc(seed=0)
print(training.spectra)
print(training.labels["star_id", "teff", "logg", "feh", "afe", "ln_mass", "ln_mass_err"][:5])

# %% [markdown]
# ## 2. A model
#
# The recipe says which labels. Training fits, for each of 7214 pixels, flux = quadratic in the
# labels plus scatter (Eqs. 1 and 2 of Ness et al. 2016).

# %%
recipe = bc.Recipe.load(model_path("apokasc-mass") / "recipe.toml")
model = bc.train(training.spectra, training.labels, recipe)
print(model.labels, model.coefficients.shape, model.report)

# %% [markdown]
# The model is generative: give it labels and it draws a spectrum. More mass at the same other
# labels changes the CN and CO lines, because giants of different mass dredge up different amounts
# of processed carbon and nitrogen.

# %%
star = {"teff": 4750.0, "logg": 2.5, "feh": 0.0, "afe": 0.05, "ln_mass": 0.2}
light, heavy = (model.predict([*list(star.values())[:4], m])[0] for m in (0.0, 0.6))
most = np.nanargmax(np.abs(heavy - light))
print(
    f"largest change between 1.0 and 1.8 Msun: {heavy[most] - light[most]:+.3f} "
    f"at {model.wavelength[most]:.1f} Angstrom"
)

# %% [markdown]
# ## 3. Posteriors of new stars
#
# `make_mock` draws stars that training has never seen, and tells us their truth. `infer` compresses
# each spectrum, without loss, to a quadratic form in the 21 features; after that a posterior costs
# next to nothing.

# %%
test = bc.make_mock(500, seed=1)
post = bc.infer(model, test.spectra, draws=500, seed=0)
print(post["posterior"])

# %%
mean = post["point"]["mean"]
sd = np.sqrt(np.diagonal(post["point"]["cov"].values, axis1=1, axis2=2))
width = {}
for i, name in enumerate(model.labels):
    error = mean.values[:, i] - np.asarray(test.truth[name])
    z = width[name] = np.std(error / sd[:, i])
    verdict = "too narrow" if z > 1.2 else "too wide" if z < 0.8 else "as wide as the errors"
    print(f"{name:8s} rms error {np.std(error):8.4f}   error / sd {z:5.2f}   posterior {verdict}")
assert all(abs(width[name] - 1) < 0.2 for name in ("teff", "logg", "feh", "afe"))

# %% [markdown]
# error / sd is 1 where a posterior is as wide as its errors, and larger where it is too narrow. It
# is within 0.2 of 1 for the four labels that act on many lines, which the cell checks. Mass is the
# hardest: it shows in few pixels, and the stars tested here come from another generator than those
# of training. The formal error of a plain Cannon knows the photon noise and the scatter of each
# pixel by itself, but not that real spectra leave the model in many pixels at once, nor that
# training labels are noisy. This model learned both from
# the training set: `model.factors` are the directions in which pixels err together, and
# `model.report` says how large the label errors turned out to be.

# %%
print(model.factors.shape[1], "factors; label errors / stated:", model.report["error_scale"])

# %% [markdown]
# ## 4. Ages
#
# A giant's mass tells its age through isochrones. The age posterior keeps the mass posterior's
# width, averages over the two evolutionary states that a spectrum cannot tell apart, and is never
# clipped: a mass below the oldest isochrone's shows up as `p_trunc`.

# %%
ages = bc.infer_ages(post)
quantile = ages["point"]["quantile"].sel(quantity="age")
print(f"median age of the sample: {np.nanmedian(quantile.sel(level=0.5)):.1f} Gyr")
print(f"stars with p_trunc > 0.05: {int((ages['sample_stats']['p_trunc'] > 0.05).sum())}")

# %% [markdown]
# ## 5. The catalogue
#
# One row a star, with units and descriptions, and a bit mask that says what is wrong with it.

# %%
table = bc.build_catalog(post, ages)
print(table["star_id", "mass_q50", "mass_std", "age_q16", "age_q50", "age_q84", "flags"][:8])

# %%
print(bc.flags.Tally.of(table["flags"]))
flagged = table[table["flags"] != 0]
print("the first with a flag says:")
print("\n".join(bc.flags.explain(int(flagged["flags"][0]))))

# %% [markdown]
# `bc.write_catalog(table, "catalog.fits")` writes it. With your own spectra only step 1 changes:
# `bayescannon ingest` reads apStar and aspcapStar files (see the README).
