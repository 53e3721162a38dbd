"""Pictures: axes, units, stars without a result; the finder against the paper's windows."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from bayescannon.calibration import coverage, pit_of_draws
from bayescannon.calibration.point import numbers
from bayescannon.cli import app
from bayescannon.data import element_windows, lines, model_path
from bayescannon.errors import UserError
from bayescannon.model import Model
from bayescannon.plots.ages import draw_age_posteriors, smooth_density
from bayescannon.plots.calibration import draw_pit
from bayescannon.plots.factors import draw_factors, element_weights, projections, strongest_first
from bayescannon.plots.labels import draw_corner, draw_one_to_one, draw_training_labels
from bayescannon.plots.model import draw_coefficients, draw_scatter
from bayescannon.plots.spectra import draw_spectrum
from bayescannon.plots.style import amount, axis_label, save
from bayescannon.plots.windows import broken, strongest_pixels, strongest_wavelengths
from bayescannon.validation import judge

NAMES = ("teff", "logg", "feh", "afe", "ln_mass")
CENTRE = np.array([4700.0, 2.5, -0.1, 0.07, 0.3])
SPREAD = np.array([150.0, 0.3, 0.2, 0.06, 0.25])
SD = 0.1 * SPREAD


@pytest.fixture(scope="module")
def stars():
    """Truth and estimate (star, label) of 80 stars; the fourth has no estimate."""
    rng = np.random.default_rng(1)
    truth = CENTRE + SPREAD * rng.normal(size=(80, 5))
    estimate = truth + SD * rng.normal(size=truth.shape)
    estimate[3] = np.nan
    return truth, estimate


@pytest.fixture(scope="module")
def real():
    """The real four-label model."""
    return Model.load(model_path("apogee-dr12-four-label"))


def words(fig: Figure) -> str:
    """All text of a figure, after drawing it once (which must raise no warning)."""
    fig.draw_without_rendering()
    parts = [text.get_text() for text in fig.texts]
    for ax in fig.axes:
        parts += [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), ax.get_title("left")]
        parts += [text.get_text() for text in ax.texts]
    return "\n".join([*parts, fig.get_suptitle()])


@pytest.mark.parametrize(
    ("label", "windows"),
    [
        ("teff", (15339.0, 15719.8)),
        ("feh", (15221.9,)),
        ("afe", (16369.2,)),
        ("logg", (15771.0,)),
    ],
)
def test_strongest_pixels_of_the_real_model_lie_in_the_papers_windows(real, label, windows):
    found = strongest_wavelengths(real)[real.labels.index(label), 0]
    assert min(abs(found - window) for window in windows) < 2.0


def test_both_teff_windows_of_the_paper_are_among_the_first_three(real):
    found = strongest_wavelengths(real, count=3)[real.labels.index("teff")]
    for window in (15339.0, 15719.8):
        assert np.abs(found - window).min() < 2.0


def test_finder_keeps_its_distance_and_leaves_out_what_it_must():
    wavelength = np.arange(100.0)
    first = np.zeros((100, 1))
    first[[10, 12, 50, 80], 0] = [-5.0, 4.0, 3.0, np.nan]
    usable = np.ones(100, bool)
    assert strongest_pixels(wavelength, first, usable, 2).tolist() == [[10, 50]]
    usable[10] = False
    assert strongest_pixels(wavelength, first, usable, 2).tolist() == [[12, 50]]
    assert first[12, 0] == 4.0, "the caller's array must stay as it was"
    assert strongest_pixels(wavelength, first, np.arange(100) == 50, 2).tolist() == [[50, -1]]


def test_no_line_is_drawn_across_a_gap():
    wavelength = np.array([1.0, 2.0, 3.0, 13.0, 14.0])
    assert np.isnan(broken(wavelength, np.ones(5))).tolist() == [0, 0, 0, 1, 0]


def test_numbers_are_those_of_the_summary(stars):
    truth, estimate = stars[0][:, 4], stars[1][:, 4]
    sd = np.full(len(truth), SD[4])
    ours = numbers(truth, estimate, sd)
    theirs = judge(truth, estimate, sd, estimate - sd, estimate + sd)
    for name, value in ours.items():
        assert value == pytest.approx(getattr(theirs, name), rel=1e-12), name


def test_one_to_one_has_two_panels_a_label_and_counts_stars(stars):
    truth, estimate = stars
    sd = np.broadcast_to(SD, truth.shape)
    fig = draw_one_to_one(truth, estimate, NAMES, sd, x_word="true", note="semi-synthetic")
    text = words(fig)
    assert len(fig.axes) == 2 * 5 + 2  # and the colour bar, and the words in the free cell
    for wanted in ("[K]", "[dex]", "79 stars", "z-width", "semi-synthetic", r"true $\ln(M"):
        assert wanted in text


def test_one_to_one_with_one_label_and_no_star():
    empty = np.full((4, 1), np.nan)
    fig = draw_one_to_one(empty, empty, NAMES[:1])
    assert "0 stars" in words(fig)
    assert len(fig.axes) == 2


def test_coefficients_show_units_pivots_and_lines(real):
    fig = draw_coefficients(real, "afe", lines(), width=20.0)
    text = words(fig)
    assert len(fig.axes) == 3
    for wanted in (r"vacuum wavelength [$\AA$]", "[continuum = 1]", "16369.2", "Fe I", "4500"):
        assert wanted in text
    low, high = fig.axes[0].get_xlim()
    assert high - low == pytest.approx(20.0)


def test_coefficients_at_a_detector_gap(real):
    gap = real.wavelength[np.argmax(np.diff(real.wavelength))]
    words(draw_coefficients(real, "teff", lines(), centre=gap + 5.0))


@pytest.fixture(scope="module")
def with_factors(real):
    """The real model with two factors: nickel's lines, and twice as strong Si up, Ti down."""
    windows = element_windows()
    two = 0.02 * (windows["Si"] - windows["Ti"])
    made = np.stack([0.005 * windows["Ni"], two], axis=1).astype(float)
    usable = real.usable & (np.arange(len(real.usable)) != np.argmax(np.abs(two)))
    return replace(real, factors=made, usable=usable)


def test_factors_are_named_by_their_elements_the_strongest_first(with_factors):
    fig = draw_factors(with_factors, element_windows(), note="semi-synthetic")
    text = words(fig)
    first, second = fig.axes
    assert "residual factors (semi-synthetic)" in text
    assert "[flux, continuum = 1]" in fig.get_supylabel()
    assert r"vacuum wavelength [$\AA$]" in second.get_xlabel()
    drawn = strongest_first(with_factors)
    for i, ax in enumerate((first, second)):
        y = ax.lines[0].get_ydata()
        known = np.isfinite(y)
        assert known.sum() > 7000
        np.testing.assert_array_equal(y[known], np.abs(drawn[known, i]))
        assert np.isnan(y[~with_factors.usable]).all()
    assert np.sum(drawn[:, 0] ** 2) > np.sum(drawn[:, 1] ** 2)
    legends = [[t.get_text() for t in ax.get_legend().get_texts()] for ax in (first, second)]
    assert [words.split()[0] for words in legends[1]] == ["Ni"]
    assert legends[1][0] == "Ni +1.00"
    signs = dict(line.split() for line in legends[0][:2])
    assert set(signs) == {"Si", "Ti"}
    assert float(signs["Si"]) * float(signs["Ti"]) < 0
    marks = second.lines[1].get_xdata()
    np.testing.assert_array_equal(marks, with_factors.wavelength[element_windows()["Ni"] > 0])


def test_projection_does_not_depend_on_the_sign_or_size_of_a_factor(with_factors):
    weights = element_weights(element_windows(), with_factors.wavelength)
    assert "Si" in weights
    assert not any("_" in name for name in weights)
    noise = np.random.default_rng(8).normal(size=len(with_factors.scatter))
    factor = weights["Si"] - 0.3 * weights["Ni"] + 0.01 * noise
    found = projections(factor, weights)
    assert next(iter(found)) == "Si"
    assert found["Si"] > 0.9
    assert found["Ni"] < -0.1
    other = projections(-3.0 * factor, weights)
    assert list(other) == list(found)
    np.testing.assert_allclose(list(other.values()), list(found.values()), rtol=1e-12)
    assert set(projections(0.0 * factor, weights).values()) == {0.0}


def test_factors_without_windows_and_without_factors(real, with_factors):
    assert all(ax.get_legend() is None for ax in draw_factors(with_factors).axes)
    assert "no residual factor" in words(draw_factors(real, element_windows()))


def test_factors_command(with_factors, tmp_path):
    with_factors.save(tmp_path / "model")
    out = tmp_path / "factors.png"

    def run(model) -> str:
        words = ["figures", "factors", str(model), "--out", str(out)]
        return CliRunner().invoke(app, words, catch_exceptions=False).output

    assert "2 factors" in run(tmp_path / "model")
    assert out.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="no residual factors"):
        run("apogee-dr12-four-label")


@pytest.mark.parametrize("good", [True, False])
def test_spectrum_with_and_without_good_pixels(real, good):
    labels = real.scaling.pivot
    flux = np.nan_to_num(real.predict(labels)[0])
    ivar = np.full(flux.shape, 1e4 if good else 0.0)
    fig = draw_spectrum(real, flux, ivar, labels, star_id="a star")
    text = words(fig)
    assert len(fig.axes) == 2 * 4
    assert r"residual [$\sigma$]" in text
    assert ("no good pixel" in text) is not good


def test_spectrum_in_given_windows(real):
    labels = real.scaling.pivot
    flux = np.nan_to_num(real.predict(labels)[0])
    fig = draw_spectrum(real, flux, np.full(flux.shape, 1e4), labels, np.array([15770.0]))
    assert "15770.0" in words(fig)
    assert len(fig.axes) == 2


def test_corner_keeps_a_far_truth_in_the_picture():
    draws = CENTRE[:3] + SD[:3] * np.random.default_rng(2).normal(size=(200, 3))
    draws[7, 2] = np.nan
    truth = CENTRE[:3] + np.array([5.0 * SPREAD[0], 0, np.nan])
    fig = draw_corner(draws, NAMES[:3], CENTRE[:3], truth, star_id="a star")
    text = words(fig)
    assert len(fig.axes) == 9
    assert "199 draws" in text
    assert "[K]" in text
    assert fig.axes[6].get_xlim()[1] > truth[0]


def test_corner_of_a_star_without_posterior_says_so():
    fig = draw_corner(np.full((50, 5), np.nan), NAMES)
    assert "no posterior" in words(fig)


def test_age_posteriors_of_a_few_stars():
    rng = np.random.default_rng(3)
    draws = np.minimum(np.array([1.2, 5.0, 13.0]) * 10 ** (0.1 * rng.normal(size=(300, 3))), 13.8)
    draws[:, 1] = np.nan
    fig = draw_age_posteriors(draws, ["a", "b", "c"], np.array([1.0, 2.0, np.nan]))
    text = words(fig)
    assert len(fig.axes) == 1
    assert "age [Gyr]" in text
    assert "no age" in text


def test_density_does_not_fall_off_at_the_edge():
    values = np.random.default_rng(4).uniform(0.0, 1.0, 20_000)
    density = smooth_density(values, np.linspace(0.0, 1.0, 201), edge=1.0)
    # Monte Carlo error of a kernel of width ~0.036 with 20,000 draws is about 2 %
    assert density[-1] == pytest.approx(1.0, abs=0.1)


def test_scatter_counts_pixels():
    rng = np.random.default_rng(6)
    wavelength = np.concatenate([np.arange(15200.0, 15300.0, 0.2), np.arange(15900, 16000, 0.2)])
    values = rng.gamma(4.0, 1e-3, wavelength.size)
    values[:5] = 0.0
    fig = draw_scatter(wavelength, values, np.arange(wavelength.size) != 10)
    assert "999 pixels, 5 of them with s = 0" in words(fig)
    assert len(fig.axes) == 2
    words(draw_scatter(wavelength, np.zeros(wavelength.size)))


def test_training_labels_leave_out_incomplete_stars(stars):
    fig = draw_training_labels(stars[1][:, 2:], NAMES[2:], note="semi-synthetic")
    text = words(fig)
    assert "79 stars, 1 without all labels left out (semi-synthetic)" in text
    assert len(fig.axes) == 9


def test_calibration_shows_overconfidence():
    rng = np.random.default_rng(7)
    centre = rng.normal(size=(400, 2))
    draws = centre + rng.normal(size=(200, 400, 2)) * [1.0, 0.25]
    truth = centre + rng.normal(size=(400, 2))
    truth[0] = np.nan
    pit = pit_of_draws(draws, truth)
    assert np.isnan(pit[0]).all()
    held = [coverage(pit[1:, i], np.array([0.68]))[0] for i in range(2)]
    assert held[0] == pytest.approx(0.68, abs=0.09)  # four binomial standard deviations
    assert held[1] == pytest.approx(0.196, abs=0.08)  # P(|z| < 0.994 / 4)
    fig = draw_pit(pit, ("feh", "my label"))
    text = words(fig)
    assert len(fig.axes) == 4
    assert "my label, 399 stars" in text


def test_names_have_units_and_unknown_ones_stay():
    assert axis_label("teff", "input") == r"input $T_\mathrm{eff}$ [K]"
    assert axis_label("c_m") == "c_m"
    assert amount("ln_mass", 0.15) == "0.150 (0.065 dex)"


def test_save_writes_the_same_bytes_and_nothing_beside(tmp_path):
    for name in ("a.png", "b.png"):
        save(draw_scatter(np.arange(50.0), np.linspace(1e-3, 2e-3, 50)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
