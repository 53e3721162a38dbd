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
# # The posterior of one star, from its summary to its draws
#
# What `infer` does for each star, one step at a time: compress the spectrum, climb to the maximum,
# weigh draws, run NUTS, and check all of it against the NumPyro program that reads every
# pixel. The star is **semi-synthetic**: made by the shipped mass model, so that its truth is known.
#
# The script also runs as it is: `python notebooks/05_posterior_of_one_star.py [FOLDER]` writes the
# figure to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
from dataclasses import replace
from pathlib import Path

import arviz as az
import jax.numpy as jnp
import numpy as np
from numpyro import distributions as dist

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.labels import features
from bayescannon.plots.labels import draw_corner
from bayescannon.plots.style import save
from bayescannon.posterior import laplace, log_likelihood, make_prior, stack_draws, summarise
from bayescannon.precision import use_compilation_cache
from studies.from_model import simulate_stars

use_compilation_cache()
arguments = [] if "ipykernel" in sys.modules else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A model and a star
#
# Every thirtieth pixel of the shipped model is enough here, and lets all run in
# seconds. Posteriors are wider than those of whole spectra. The relations of the two evolutionary
# states and the uncertainty of the label scale are left out: one model, one star.

# %%
STEP = 30
whole = bc.Model.load(model_path("apokasc-mass"))
thinned = {
    name: getattr(whole, name)[::STEP]
    for name in ("wavelength", "coefficients", "scatter", "usable", "factors")
}
model = replace(whole, **thinned, label_error=None, coefficient_noise=None, uncertainty=None)
star = simulate_stars(model, 1, seed=3)  # labels are drawn from the training set's density
truth = star.labels[0]
flux, ivar = star.spectra.arrays()
print(f"{int((ivar > 0).sum())} pixels, S/N {star.snr[0]:.0f}, {model.factors.shape[1]} factors")

# %% [markdown]
# ## 1. The summary
#
# A pixel's flux is theta . v(l): linear in the 21 features v of five labels. So the Gaussian log
# likelihood of the whole spectrum is a quadratic form in v, and its matrix A, vector b and number
# c are all that the labels can ever learn from this spectrum. Residual factors are integrated out.

# %%
summary = summarise(flux, ivar, model.coefficients, model.scatter, model.usable, model.factors)
one = type(summary)(*(part[0] for part in summary))
print("A:", one.a.shape, " b:", one.b.shape, f" c: {float(one.c):.1f}")


# %% [markdown]
# No information is lost. The same density, written out pixel by pixel with its full covariance
# matrix, at the truth and at a label vector some way off:


# %%
def log_density_of_pixels(labels):
    good = (ivar[0] > 0) & model.usable
    factors = model.factors[good]
    covariance = np.diag(1 / ivar[0, good] + model.scatter[good] ** 2) + factors @ factors.T
    off = flux[0, good] - model.predict(labels)[0, good]
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (off @ np.linalg.solve(covariance, off) + log_det)


for labels in (truth, truth + np.array([30, 0.05, 0.02, 0.02, 0.1])):
    v = features(jnp.asarray(model.scaling.to_scaled(labels)), 2)
    compressed, full = float(log_likelihood(one, v)), log_density_of_pixels(labels)
    print(f"log likelihood: summary {compressed:.6f}, all pixels {full:.6f}")

# %% [markdown]
# ## 2. Laplace
#
# Newton steps climb to the maximum; the curvature there gives a Gaussian. It costs almost nothing,
# and is the whole answer where the posterior is Gaussian.

# %%
prior, _ = make_prior(model, "population")
fit = laplace(summary, prior, jnp.zeros((1, len(model.labels))), 2)
sd = model.scaling.scale * np.sqrt(np.diag(fit.cholesky[0] @ fit.cholesky[0].T))
for name, peak, width, true in zip(
    model.labels, model.scaling.to_labels(np.asarray(fit.mean[0])), sd, truth, strict=True
):
    off = (peak - true) / width
    print(f"{name:8s} {peak:9.3f} +- {width:.3f}   true {true:9.3f}   off {off:+.1f} sd")

# %% [markdown]
# ## 3. Three ways to draws
#
# `importance` proposes around the maximum and weighs each draw by the exact posterior; k-hat says
# whether the weights can be trusted (below 0.7). `nuts` runs its chains on the summary.
# `reference` is NumPyro's NUTS on `star_program`, which knows nothing of summaries and reads all
# pixels: slow, and the definition of what the others must give.

# %%
DRAWS = {"laplace": 2000, "importance": 2000, "nuts": 2000, "reference": 250}  # 250 in each chain
posts = {
    method: bc.infer(model, star.spectra, method, prior="population", draws=draws, seed=0)
    for method, draws in DRAWS.items()
}
quantiles = {
    method: np.quantile(stack_draws(post, model.labels)[:, 0], [0.16, 0.5, 0.84], axis=0)
    for method, post in posts.items()
}
low, middle, high = quantiles["reference"]
half = (high - low) / 2
print("median minus that of `reference`, in its half-widths of 68 %; and half-width over its own")
for method, (a, b, c) in quantiles.items():
    shift = " ".join(f"{s:+.2f}" for s in (b - middle) / half)
    print(f"{method:<11} {shift}   {np.round((c - a) / 2 / half, 2)}")

# %% [markdown]
# Monte Carlo noise alone moves medians by a few hundredths and widths by several percent, most of
# it the reference's own, whose draws are the fewest (`ess` below). In mass Laplace differs by more,
# and its `khat` and `shift` say so.
#
# ## 4. Diagnostics, read aloud
#
# The posterior is an ArviZ data set as it is. R-hat near 1: the four chains agree. `ess_bulk`: so
# many independent draws are these worth. `mcse_mean`: the error of the mean that comes from
# drawing, which should be far below the sd.

# %%
print(az.summary(posts["nuts"]["posterior"].isel(star=0)).to_string())
for method in DRAWS:
    stats = posts[method]["sample_stats"].isel(star=0)
    told = {
        name: round(float(stats[name]), 2)
        for name in ("khat", "ess", "rhat", "divergences", "shift", "n_modes")
        if np.isfinite(stats[name])
    }
    print(f"{method:<11}", told)

# %%
stats = posts["importance"]["sample_stats"].isel(star=0)
print(
    f"chi2 with factors {float(stats['chi2_full']):.0f} for {int(stats['dof'])} degrees of freedom"
)
print("flags:", bc.flags.explain(int(stats["flags"])) or "none")

# %% [markdown]
# ## 5. Another prior, without the spectrum
#
# Every draw carries the log prior that it was made with. `reweight` divides it out and puts another
# in. Here: no prior at all, and a log g known from elsewhere (the true one, +- 0.02). `ess` says
# how many draws are left to carry the new posterior. The population prior is sharp in mass, and
# few of its draws lie where these priors look: `LOW_ESS` is raised. Then infer again with the new
# prior, as the second line of each pair does.

# %%
width = jnp.array([500.0, 0.02, 1.0, 0.5, 1.0])  # nearly flat in the other labels
logg_known = dist.Normal(jnp.asarray(truth), width).to_event(1)
for name, new_prior in (("flat", "flat"), ("log g known", logg_known)):
    again = bc.infer(model, star.spectra, "importance", prior=new_prior, draws=2000, seed=0)
    for word, other in (
        ("reweighted", bc.reweight(posts["importance"], new_prior)),
        ("inferred", again),
    ):
        draws = stack_draws(other, model.labels)[:, 0]
        mass, stats = np.exp(draws[:, 4]), other["sample_stats"].isel(star=0)
        print(
            f"{name:<11} {word:<10} log g {draws[:, 1].mean():.3f} +- {draws[:, 1].std():.3f}, "
            f"mass {mass.mean():.2f} +- {mass.std():.2f} Msun, ess {float(stats['ess']):.0f}, "
            f"{bc.flags.Flag(int(stats['flags'])).name or 'no flag'}"
        )

# %% [markdown]
# ## 6. The picture
#
# Labels are correlated: two stars with the same five error bars can be quite different stars. That
# is why a catalogue should keep draws.

# %%
draws = stack_draws(posts["importance"], model.labels)[:, 0]
peak = posts["importance"]["point"]["map"].values[0]
star_id = str(star.spectra.star_id[0])
figure = draw_corner(draws, model.labels, peak, truth, star_id=star_id, note="semi-synthetic")
save(figure, folder / "posterior_of_one_star.png")
figure
