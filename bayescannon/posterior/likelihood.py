"""What a spectrum says about its labels: the exact quadratic form (A, b, c) in v(l).

With coefficients, scatter and factors fixed, a star's Gaussian log likelihood is
-1/2 (d.A.d - 2 d.b + c) + constant with d = v(l) - v(pivot): thousands of pixels become a few
hundred numbers without loss. Measuring v from the pivot keeps c of the order of chi2 instead of
(S/N)^2 times pixels, so that likelihood differences keep their digits.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

import bayescannon.precision  # noqa: F401
from bayescannon.batches import map_stars, unpack
from bayescannon.labels import feature_rows
from bayescannon.model.error import CoefficientNoise
from bayescannon.typing import Array, Coefficients, Factors, Features, Pixels, Scalar, StarPixels

STARS_AT_ONCE, SPECTRA_AT_ONCE = 8, 64
"""Of how many stars the draws, or the pixels, are worked on together."""


class Summary(NamedTuple):
    """Sufficient statistics of stars; residual factors are integrated out of A, b, c.

    `log_norm` completes the log likelihood to the density of the pixels. `a_diagonal`,
    `b_diagonal` and `c_diagonal` are the same without the factors: they give the paper's chi2.
    """

    a: Float[Array, "*star feature feature"]
    b: Float[Array, "*star feature"]
    c: Float[Array, "*star"]
    log_norm: Float[Array, "*star"]
    n_pixel: Float[Array, "*star"]
    a_diagonal: Float[Array, "*star feature feature"]
    b_diagonal: Float[Array, "*star feature"]
    c_diagonal: Float[Array, "*star"]


class PixelModel(NamedTuple):
    """What the summary of a spectrum needs of a model, pixel by pixel."""

    coefficients: Coefficients
    scatter: Pixels
    usable: Pixels
    """1 for pixels that the model describes, 0 for those to leave out."""
    factors: Factors
    products: Float[Array, "pixel pair"]
    """Of all pairs of columns of coefficients and factors: made once, used for every star."""
    noise: CoefficientNoise

    @classmethod
    def of(cls, coefficients, scatter, usable, factors, noise=None) -> "PixelModel":
        """Multiply the columns; arguments as for `summarise`."""
        if noise is None:
            n_pixel, n_feature = coefficients.shape
            noise = CoefficientNoise(np.zeros(n_pixel), np.zeros((n_feature, n_feature)))
        parts = (jnp.asarray(part, float) for part in (coefficients, scatter, usable, factors))
        return _with_products(*parts, CoefficientNoise(*(jnp.asarray(a, float) for a in noise)))


@jax.jit
def _with_products(coefficients, scatter, usable, factors, noise) -> PixelModel:
    basis = jnp.concatenate([coefficients, factors], axis=1)
    row, column = np.triu_indices(basis.shape[1])
    products = basis[:, row] * basis[:, column]
    return PixelModel(coefficients, scatter, usable, factors, products, noise)


def summarise(
    flux: StarPixels,
    ivar: StarPixels,
    coefficients: Coefficients,
    scatter: Pixels,
    usable: Pixels,
    factors: Factors,
    noise: CoefficientNoise | None = None,
) -> Summary:
    """Compress spectra.

    The sums over pixels of A and b are taken in the precision of `flux`: float32, as stores hold
    it, is twice as fast and moves posteriors by less than a thousandth of their width.

    Parameters
    ----------
    flux, ivar : (star, pixel)
        Normalised flux and inverse variance; ivar 0 = not measured.
    coefficients : (pixel, feature)
        theta of Eq. 2.
    scatter : (pixel,)
        Intrinsic scatter s.
    usable : (pixel,)
        1 for pixels that the model describes, 0 for those to leave out.
    factors : (pixel, factor)
        Residual factors F; the covariance is diag(1/ivar + s^2) + F F^T.
    noise : CoefficientNoise, optional
        Of the coefficients; the log likelihood is the expectation over it.

    Returns
    -------
    Summary
        For each star, float64.
    """
    return compress(flux, ivar, PixelModel.of(coefficients, scatter, usable, factors, noise))


class FactorPosterior(NamedTuple):
    """What a spectrum says of its factors at given labels.

    They are N(mean, inverse of root @ root.T) with root.T @ mean = along - across @ (v - v(pivot)).
    """

    root: Float[Array, "*star factor factor"]
    across: Float[Array, "*star factor feature"]
    along: Float[Array, "*star factor"]

    def draw(self, v: Float[Array, "draw feature"], white: Float[Array, "draw factor"]) -> Array:
        """Factors (draw, factor) of one star at features v, from unit Gaussian noise."""
        white = white + self.along[None] - jnp.asarray(v).at[:, 0].add(-1.0) @ self.across.T
        return solve_triangular(self.root, white.T, trans=1, lower=True).T


def compress(flux: StarPixels, ivar: StarPixels, model: PixelModel) -> Summary:
    """Compress the spectra of one of many blocks of stars, as `summarise` does.

    Parameters
    ----------
    flux, ivar : (star, pixel)
    model : PixelModel
        Made once for all blocks.

    Returns
    -------
    Summary
        For each star, float64.
    """
    return compress_with_factors(flux, ivar, model)[0]


@jax.jit
def compress_with_factors(
    flux: StarPixels, ivar: StarPixels, model: PixelModel
) -> tuple[Summary, FactorPosterior]:
    """Compress spectra, as `compress` does, and say what they show of the factors."""
    n_feature, n_factor = model.coefficients.shape[1], model.factors.shape[1]
    kind = flux.dtype
    basis = jnp.concatenate([model.coefficients, model.factors], axis=1).astype(kind)
    products, baseline = model.products.astype(kind), model.coefficients[:, 0].astype(kind)
    scatter, usable = model.scatter.astype(kind), model.usable.astype(kind)

    def one_star(given):
        flux, ivar = given
        weight = usable * ivar / (1 + ivar * scatter**2)
        measured = weight > 0
        offset = jnp.where(measured, flux - baseline, 0)
        n_pixel = jnp.sum(measured.astype(float))
        log_weight = _sum_of_logs(jnp.where(measured, weight, 1))
        return (
            (weight @ products).astype(float),
            ((weight * offset) @ basis).astype(float),
            jnp.sum((weight * offset**2).astype(float)),
            n_pixel,
            jnp.sum(weight.astype(float) * model.noise.pixel),
            0.5 * log_weight - 0.5 * n_pixel * jnp.log(2 * jnp.pi),
        )

    gram, right, c, n_pixel, noise, log_norm = map_stars(one_star, (flux, ivar), SPECTRA_AT_ONCE)
    gram = unpack(gram, n_feature + n_factor)
    a_diagonal, b_diagonal = gram[:, :n_feature, :n_feature], right[:, :n_feature]
    (a, b, c_full, log_norm), factors = integrate_out(
        (a_diagonal, b_diagonal, c, log_norm),
        gram[:, n_feature:, n_feature:],
        gram[:, n_feature:, :n_feature],
        right[:, n_feature:],
    )
    doubt = noise[:, None, None] * model.noise.feature[None]
    a, b, c_full = a + doubt, b - doubt[:, :, 0], c_full + doubt[:, 0, 0]
    return Summary(a, b, c_full, log_norm, n_pixel, a_diagonal, b_diagonal, c), factors


def integrate_out(
    form: tuple[Array, Array, Array, Array],
    inner: Float[Array, "star column column"],
    across: Float[Array, "star column feature"],
    along: Float[Array, "star column"],
) -> tuple[tuple[Array, Array, Array, Array], FactorPosterior]:
    """Integrate unit Gaussian amplitudes of some columns out of stars' quadratic forms (Woodbury).

    Parameters
    ----------
    form : tuple of arrays
        A (star, feature, feature), b (star, feature), c and log_norm (star,), without the columns.
    inner, across, along
        Products of the columns among themselves, with the features and with the data.

    Returns
    -------
    tuple of arrays
        A, b, c and log_norm with the columns integrated out: a Schur complement.
    FactorPosterior
        What is known of the amplitudes.
    """
    a, b, c, log_norm = form
    root = jnp.linalg.cholesky(jnp.eye(inner.shape[1])[None] + inner)
    across = solve_triangular(root, across, lower=True)
    along = solve_triangular(root, along[..., None], lower=True)[..., 0]
    log_det = jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1)
    form = (
        a - jnp.einsum("ski,skj->sij", across, across),
        b - jnp.einsum("ski,sk->si", across, along),
        c - jnp.sum(along**2, axis=1),
        log_norm - log_det,
    )
    return form, FactorPosterior(root, across, along)


def _sum_of_logs(values: Pixels) -> Scalar:
    """Sum of logarithms, by the logarithms of products of four: they are slow."""
    padded = jnp.pad(values.astype(float), (0, -values.size % 4), constant_values=1.0)
    a, b, c, d = padded.reshape(4, -1)
    return jnp.sum(jnp.log((a * b) * (c * d)))


def quadratic_form(
    v: Features, a: Float[Array, "feature feature"], b: Float[Array, "feature"], c: Scalar
) -> Array:
    """Return d.A.d - 2 d.b + c with d = v - v(pivot), for (..., feature): a chi2."""
    d = jnp.asarray(v).at[..., 0].add(-1.0)
    return jnp.sum((d @ a) * d, axis=-1) - 2 * (d @ b) + c


def log_likelihood(summary: Summary, v: Features) -> Array:
    """Log density of one star's pixels given v(l), for (..., feature).

    `summary` is that of one star. Equal to the full-pixel Gaussian up to rounding.
    """
    return summary.log_norm - 0.5 * quadratic_form(v, summary.a, summary.b, summary.c)


def log_likelihood_of_draws(
    summary: Summary, scaled: Float[Array, "label draw"], degree: int
) -> Float[Array, "draw"]:
    """Log density of one star's pixels at many scaled labels; see `log_likelihood`."""
    d = feature_rows(scaled, degree).at[0].add(-1.0)
    pull = summary.a @ d - 2 * summary.b[:, None]
    return summary.log_norm - 0.5 * (jnp.sum(pull * d, axis=0) + summary.c)


@partial(jax.jit, static_argnames="degree")
def log_likelihood_of_stars(scaled: jax.Array, summary: Summary, degree: int) -> jax.Array:
    """Log density of stars' pixels at scaled labels (star, chain, draw, label)."""

    def one_star(given):
        draws, star = given
        flat = draws.reshape(-1, draws.shape[-1]).T
        return log_likelihood_of_draws(star, flat, degree).reshape(draws.shape[:-1])

    return map_stars(one_star, (scaled, summary), STARS_AT_ONCE)
