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
# # What makes a posterior wide, and which of it is learned
#
# Four experiments: signal-to-noise ratio, number of training stars, errors of the training labels,
# and the prior on age. All spectra are **semi-synthetic**: the labels are a resampling of real
# giants', the spectra those of the real four-label model, on every twentieth pixel so that all runs
# in seconds. So numbers here are larger than for whole spectra; how they change is the same.
#
# The script also runs as it is: `python notebooks/03_uncertainty_study.py [FOLDER]` writes the
# figure to FOLDER (default: `figures`) and prints the numbers.

# %%
# %matplotlib inline
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.plots.style import BLACK, BLUE, GREY, STYLE, VERMILLION, save
from bayescannon.precision import use_compilation_cache
from bayescannon.trees import point_sd

use_compilation_cache()
arguments = [] if "ipykernel" in sys.modules else sys.argv[1:]
folder = Path(arguments[0] if arguments else "figures")
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% [markdown]
# ## The scenario
#
# `observe` makes spectra exactly as the likelihood says: model, intrinsic scatter, photon noise.
# In this scenario every difference between what is quoted and what happens has one cause.

# %%
whole = bc.Model.load(model_path("apogee-dr12-four-label"))
thinned = {
    name: getattr(whole, name)[::20]
    for name in ("wavelength", "coefficients", "scatter", "usable", "factors")
}
source = replace(whole, **thinned)
NAMES, N_TEST, N_TRAIN = source.labels, 256, 400
mock = bc.make_mock(N_TEST + N_TRAIN, seed=1)
labels = np.stack([np.asarray(mock.truth[name]) for name in NAMES], axis=1)
test, training = labels[:N_TEST], labels[N_TEST:]


def observe(labels, snr):
    """Spectra (semi-synthetic) of stars with these labels and S/N per pixel."""
    snr = np.broadcast_to(snr, len(labels))[:, None]
    flux = source.predict(labels)
    flux = flux + np.hypot(1 / snr, source.scatter) * rng.normal(size=flux.shape)
    ivar = np.where(source.usable, snr**2, 0.0)
    star_id = [f"star-{i:04d}" for i in range(len(labels))]
    return bc.Spectra(source.wavelength, np.where(source.usable, flux, 0.0), ivar, star_id)


def judge(model, spectra, truth):
    """Errors and quoted standard deviations, each (star, label)."""
    post = bc.infer(model, spectra, "laplace", prior="flat", draws=100, seed=0)
    return post["point"]["mean"].values - truth, point_sd(post)


def robust_z(error, sd):
    """Width of error / sd over all labels, by the median: 1 is calibrated; lost stars are NaN."""
    return 1.4826 * np.nanmedian(np.abs(error / sd))


# %% [markdown]
# ## 1. Signal-to-noise ratio
#
# What can be expected is Fisher's bound: the inverse of J^T C^-1 J, J the slopes of the pixels'
# fluxes with the labels, C photon noise plus intrinsic scatter.


# %%
def fisher_sd(labels, snr, scatter):
    """Fisher's bound on the standard deviation of every label, (label,)."""
    step = 0.01 * source.scaling.scale
    ends = source.predict(labels + np.diag(step)) - source.predict(labels - np.diag(step))
    slope = ends[:, source.usable].T / (2 * step)
    variance = snr**-2.0 + scatter[source.usable] ** 2
    return np.sqrt(np.diag(np.linalg.inv(slope.T @ (slope / variance[:, None]))))


snr = np.exp(rng.uniform(np.log(15), np.log(600), N_TEST))
error, sd = judge(source, observe(test, snr), test)
sd_of_snr = sd[:, 0]
bound = np.array([fisher_sd(star, s, source.scatter) for star, s in zip(test, snr, strict=True)])
print("S/N          median sd of Teff [K]   over Fisher's   error / sd, all labels")
for low, high in ((15, 40), (40, 100), (100, 250), (250, 600)):
    here = (snr >= low) & (snr < high)
    print(
        f"{low:3d} to {high:3d}   {np.nanmedian(sd[here, 0]):10.1f}            "
        f"{np.nanmedian(sd[here, 0] / bound[here, 0]):10.2f}      "
        f"{robust_z(error[here], sd[here]):10.2f}"
    )
middle_star = np.median(test, axis=0)
grid = np.geomspace(15, 600, 40)
curve = np.array([fisher_sd(middle_star, s, source.scatter)[0] for s in grid])
photons = np.array([fisher_sd(middle_star, s, 0 * source.scatter)[0] for s in grid])

# %% [markdown]
# Widths follow Fisher: 1 / (S/N) while photons dominate, then flat, where intrinsic scatter does.
# More exposure does not help there. **Learned:** the photon noise is told by `ivar`, the scatter of
# each pixel is learned in training. **Not learned:** wrong `ivar` of a single star. Nothing here
# asks whether it is right; chi2 is the place to look.
#
# ## 2. Number of training stars
#
# Exact labels, S/N 100. With p = 15 coefficients a pixel, each with an error, n stars predict the
# flux of a star like them with a variance larger by about p / (n - p - 1). If errors of labels grow
# alike, they are the root of 1 + p / (n - p - 1) times what is quoted.

# %%
EXACT = bc.Recipe.loads(f'name = "exact"\n[labels]\nnames = {list(NAMES)}\n')
spectra = observe(test, 100.0)
learned_from = observe(training, 100.0)
table = Table({"star_id": learned_from.star_id} | dict(zip(NAMES, training.T, strict=True)))
sizes, z_of_size = (30, 80, N_TRAIN), []
print("stars   median sd of Teff [K]   rms error   error / sd, all labels   expected")
for n in sizes:
    model = bc.train(learned_from[:n], table[:n], EXACT)
    error, sd = judge(model, spectra, test)
    z_of_size.append(robust_z(error, sd))
    print(
        f"{n:5d}   {np.nanmedian(sd[:, 0]):10.1f}              {np.nanstd(error[:, 0]):6.1f}      "
        f"{z_of_size[-1]:10.2f}              {np.sqrt(1 + 15 / (n - 16)):10.2f}"
    )

# %% [markdown]
# **Not learned:** with exact labels nothing tells `infer` how uncertain the coefficients are: the
# quoted width does not know the size of the training set. Small sets make overconfident widths, by
# more than the rule of thumb says; a few hundred stars make the loss small.
#
# ## 3. Errors of the training labels
#
# The table states one error a label; the true noise is as large, and then twice as large. Once
# labels are taken as exact (the plain Cannon), once as noisy (`noisy_labels = true`).

# %%
STATED = np.array([60.0, 0.15, 0.05, 0.04])
NOISY = bc.Recipe.loads(
    f"""
name = "noisy"
[labels]
names = {list(NAMES)}
[training]
noisy_labels = true
label_errors = {{}}  # the table's own errors count
"""
)
noise = rng.normal(size=training.shape)
times, z_of_noise = (1.0, 2.0), {"exact": [], "noisy": []}
print("noise / stated, labels taken as: Teff sd, rms error [K]; error / sd; error_scale")
for factor in times:
    handed = training + factor * STATED * noise
    table = Table({"star_id": learned_from.star_id})
    for i, name in enumerate(NAMES):
        table[name], table[f"{name}_err"] = handed[:, i], np.full(N_TRAIN, STATED[i])
    for word, recipe in (("exact", EXACT), ("noisy", NOISY)):
        model = bc.train(learned_from, table, recipe)
        error, sd = judge(model, spectra, test)
        z = robust_z(error, sd)
        z_of_noise[word].append(z)
        scale = (model.report or {}).get("error_scale", {})
        width, off = np.nanmedian(sd[:, 0]), np.nanstd(error[:, 0])
        print(
            f"{factor:.1f}, {word}: {width:5.1f}, {off:5.1f} K; {z:.2f};",
            " ".join(f"{name} {s:.2f}" for name, s in scale.items()) or "not asked",
        )

# %% [markdown]
# **Learned:** how large the label errors are. `error_scale` multiplies the stated ones, one number
# per label, and follows the noise, because the spectra predict each label from all other stars.
# Taken as exact, label noise ends up as scatter of the pixels and as flattened coefficients.
# **Not learned:** an error that all training labels share, such as a zero point: spectra look the
# same, and so does every test on the training set.
#
# ## 4. The prior on age
#
# Mass posteriors of simulated stars by the shipped mass model, turned into ages under four priors.

# %%
shipped = bc.Model.load(model_path("apokasc-mass"))
stars = bc.make_mock(100, seed=2)
post = bc.infer(shipped, stars.spectra, "importance", prior="flat", draws=500, seed=0)
sd_mass = point_sd(post)[:, list(shipped.labels).index("ln_mass")] / np.log(10)
ages = {}
print("age prior        median age [Gyr]   median half-width of 68 % [dex]")
for prior in ("flat-age", "flat-log-age", "flat-log-mass", "population"):
    quantile = bc.infer_ages(post, prior=prior)["point"]["quantile"].sel(quantity="age")
    low, middle, high = (np.log10(quantile.sel(level=q).values) for q in (0.16, 0.5, 0.84))
    ages[prior] = middle, (high - low) / 2
    half = np.nanmedian(ages[prior][1])
    print(f"{prior:<16} {10 ** np.nanmedian(middle):8.2f}           {half:8.3f}")
shift = np.abs(ages["flat-age"][0] - ages["flat-log-age"][0])
moved = np.nanmedian(shift / ages["flat-age"][1])
ratio = np.nanmedian(ages["flat-log-age"][1] / sd_mass)
print(f"half-width of log age / sd of log mass, flat-log-age: {ratio:.1f}")
print(f"flat-age against flat-log-age: the median moves by {moved:.2f} half-widths")

# %% [markdown]
# A star burns its fuel in a time that falls steeply with mass: about three times the relative error
# of the mass is that of the age. The prior bends this where the mass says little. **Not learned:**
# nothing in one star's spectrum says which prior is right. Say which one was used, and for a sample
# infer the distribution of ages instead (`notebooks/09_age_distribution.py`).
#
# ## The picture

# %%
with matplotlib.rc_context(STYLE):
    figure = Figure(figsize=(9, 7), layout="constrained")
    (by_snr, by_size), (by_noise, by_prior) = figure.subplots(2, 2)
    figure.suptitle("What makes posteriors wide (semi-synthetic)")

    by_snr.loglog(snr, sd_of_snr, ".", color=BLUE, ms=4, alpha=0.6, label="quoted, each star")
    by_snr.loglog(grid, curve, color=BLACK, label="Fisher, median star")
    by_snr.loglog(grid, photons, color=GREY, ls="dashed", label="photon noise alone")
    by_snr.set(xlabel="S/N per pixel", ylabel="sd of Teff [K]", title="Signal-to-noise ratio")

    n = np.geomspace(25, 500, 100)
    by_size.semilogx(sizes, z_of_size, "o", color=BLUE, label="measured")
    by_size.semilogx(n, np.sqrt(1 + 15 / (n - 16)), color=BLACK, label="rule of thumb")
    by_size.axhline(1, color=GREY, ls="dashed", label="calibrated")
    by_size.set(
        xlabel="training stars", ylabel="error / quoted sd", title="Size of the training set"
    )

    for (word, z), color in zip(z_of_noise.items(), (VERMILLION, BLUE), strict=True):
        by_noise.plot(times, z, "o-", color=color, label=f"labels taken as {word}")
    by_noise.axhline(1, color=GREY, ls="dashed", label="calibrated")
    by_noise.set(
        xlabel="true / stated label error", ylabel="error / quoted sd", title="Training labels"
    )

    for (prior, (_, half_width)), marker in zip(ages.items(), "osv^", strict=True):
        by_prior.plot(sd_mass, half_width, marker, ms=3, alpha=0.6, label=prior)
    mass = np.array([0, np.nanmax(sd_mass)])
    by_prior.plot(mass, 3 * mass, color=BLACK, label="3 x mass")
    by_prior.set(xlabel="sd of log10 mass", ylabel="half-width of log10 age", title="Prior on age")
    for panel, ticks in ((by_snr, (20, 50, 100, 200, 500)), (by_size, sizes)):
        panel.set_xticks(ticks, labels=map(str, ticks))
        panel.xaxis.set_minor_formatter(NullFormatter())
    for panel in (by_snr, by_size, by_noise, by_prior):
        panel.legend()
save(figure, folder / "uncertainty_study.png")
figure
