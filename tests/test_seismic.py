"""Seismic masses and gravities, and the paper's training cuts."""

import numpy as np
import pytest
from astropy import constants
from astropy import units as u
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescannon as bc
from bayescannon.data import apokasc
from bayescannon.labels import CUTS
from bayescannon.spectra import AspcapFlag

SUN = {"numax": 3140.0, "dnu": 135.03, "teff": 5777.0}
POWERS = {"numax": 3.0, "dnu": -4.0, "teff": 1.5}
GIANT = {"numax": 40.0, "dnu": 4.2, "teff": 4800.0}
ERRORS = {"numax_err": 1.2, "dnu_err": 0.06, "teff_err": 50.0}


def stars(**columns) -> Table:
    return Table({name: np.atleast_1d(values) for name, values in columns.items()})


# --- the scaling relations ---------------------------------------------------------------------


def test_the_sun_is_the_sun():
    table = stars(**SUN)
    assert bc.seismic_mass(table)[0][0] == pytest.approx(1.0, rel=1e-12)
    logg = np.log10((constants.G * constants.M_sun / constants.R_sun**2).cgs.value)
    assert bc.seismic_logg(table)[0][0] == pytest.approx(logg, abs=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(POWERS)), st.floats(0.3, 3.0))
def test_mass_gravity_and_errors_scale_with_their_powers(name, factor):
    one, other = stars(**GIANT, **ERRORS), stars(**GIANT, **ERRORS)
    for column in (name, f"{name}_err"):
        other[column] = factor * other[column]
    (mass, error), (mass_2, error_2) = bc.seismic_mass(one), bc.seismic_mass(other)
    np.testing.assert_allclose(mass_2 / mass, factor ** POWERS[name], rtol=1e-12)
    # relative errors of the measurements stayed: so does that of the mass
    np.testing.assert_allclose(error_2 / mass_2, error / mass, rtol=1e-12)
    power = {"numax": 1.0, "dnu": 0.0, "teff": 0.5}[name]
    (logg, sd), (logg_2, sd_2) = bc.seismic_logg(one), bc.seismic_logg(other)
    np.testing.assert_allclose(logg_2 - logg, power * np.log10(factor), atol=1e-12)
    np.testing.assert_allclose(sd_2, sd, rtol=1e-12)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(POWERS)), st.floats(1e-6, 0.3))
def test_one_error_alone_counts_with_its_power(name, relative):
    errors = {f"{other}_err": 0.0 for other in POWERS} | {f"{name}_err": relative * GIANT[name]}
    mass, error = bc.seismic_mass(stars(**GIANT, **errors))
    np.testing.assert_allclose(error / mass, abs(POWERS[name]) * relative, rtol=1e-12)


def test_errors_are_those_of_monte_carlo():
    """Seed 1, 200,000 draws: the sd of ln M is known to 0.16 %, so 0.8 % fails once in 2e6."""
    rng = np.random.default_rng(1)
    relative = {name: ERRORS[f"{name}_err"] / GIANT[name] for name in GIANT}
    drawn = {n: x * np.exp(relative[n] * rng.normal(size=200_000)) for n, x in GIANT.items()}
    table, drawn = stars(**GIANT, **ERRORS), stars(**drawn)
    mass, error = bc.seismic_mass(table)
    spread = np.std(np.log(bc.seismic_mass(drawn)[0]))
    assert spread == pytest.approx(float(error[0] / mass[0]), rel=0.008)
    sd = bc.seismic_logg(table)[1][0]
    assert np.std(bc.seismic_logg(drawn)[0]) == pytest.approx(float(sd), rel=0.008)


def test_corrections_see_the_table_and_multiply_the_frequencies():
    table = stars(numax=[40.0, 40.0], dnu=[4.2, 4.2], teff=[4800.0, 4800.0], feh=[-0.5, 0.2])
    for column, error in ERRORS.items():
        table[column] = error

    def slope(stars: Table) -> np.ndarray:
        return 1.0 + 0.02 * np.asarray(stars["feh"])

    plain, error = bc.seismic_mass(table)
    corrected, error_2 = bc.seismic_mass(table, correct_dnu=slope, correct_numax=slope)
    np.testing.assert_allclose(corrected / plain, [1 / 0.99, 1 / 1.004], rtol=1e-12)
    np.testing.assert_allclose(error_2 / corrected, error / plain, rtol=1e-12)
    logg = bc.seismic_logg(table, correct_numax=slope)[0] - bc.seismic_logg(table)[0]
    np.testing.assert_allclose(logg, np.log10([0.99, 1.004]), atol=1e-12)


def test_units_are_understood_and_gaps_stay_gaps():
    table = stars(dnu=[4.2, -1.0, 4.2], teff=[4800.0, 4800.0, 4800.0])
    table["numax"] = MaskedColumn([0.04, 0.04, 0.04], unit=u.mHz, mask=[False, False, True])
    mass, error = bc.seismic_mass(table)
    np.testing.assert_allclose(mass, [bc.seismic_mass(stars(**GIANT))[0][0], np.nan, np.nan])
    assert np.isnan(error).all(), "no error column: no error"


def test_a_missing_column_and_a_wrong_unit_are_named():
    table = stars(numax=40.0, teff=4800.0)
    with pytest.raises(bc.UserError, match="no column 'dnu'"):
        bc.seismic_mass(table)
    assert np.isfinite(bc.seismic_logg(table)[0]).all()
    table["numax"].unit = u.K
    with pytest.raises(bc.UserError, match="'numax'"):
        bc.seismic_logg(table)


def test_masses_and_gravities_of_apokasc():
    """The catalogue's masses follow Eq. 3 to 0.017 dex, with a median offset of 0.011 dex."""
    table = apokasc()
    table["teff_err"] = 25.0
    mass, error = bc.seismic_mass(table)
    difference = np.log10(mass / table["mass"])
    assert np.median(difference) == pytest.approx(0.011, abs=0.001)
    assert np.std(difference) == pytest.approx(0.017, abs=0.001)
    quoted = np.median((table["mass_errp"] + table["mass_errm"]) / 2 / table["mass"])
    assert np.median(error / mass) == pytest.approx(float(quoted), rel=0.15)
    logg, sd = bc.seismic_logg(table)
    off = logg - table["logg"]  # the catalogue rounds to 0.01 dex, and used its own Teff
    assert abs(np.median(off)) < 0.005
    assert np.std(off) < 0.01
    assert np.median(sd) == pytest.approx(float(np.median(table["logg_err"])), rel=0.25)


# --- cuts --------------------------------------------------------------------------------------


def perfect(n: int) -> Table:
    """`n` stars that pass every cut."""
    star = GIANT | ERRORS | {"snr": 200.0, "logg": 2.5, "feh": 0.0, "afe": 0.05}
    table = Table({name: np.full(n, value) for name, value in star.items()})
    table["aspcap_flags"] = np.zeros(n, np.int64)
    return table


def test_what_each_cut_removes_in_order_and_alone():
    table = perfect(8)
    table["snr"][[0, 1]] = 80.0, np.nan
    table["numax_err"][[1, 2]] = 4.0  # 10 % exactly
    table["dnu_err"][3] = -1.0
    bits = AspcapFlag["ROTATION_WARN"], AspcapFlag["STAR_WARN"]
    table["aspcap_flags"][[4, 5]] = [int(bit) for bit in bits]
    table["teff"][[6, 7]] = 4053.9, 4054.0
    keep, report = bc.training_cuts(table)
    assert keep.tolist() == [False] * 7 + [True]
    assert report["cut"].tolist() == list(CUTS)
    assert report["removed"].tolist() == [2, 1, 1, 2, 0, 1, 0, 0, 0]
    assert report["alone"].tolist() == [2, 2, 1, 2, 1, 1, 0, 0, 0]
    assert report["left"].tolist() == [6, 5, 4, 2, 2, 1, 1, 1, 1]
    assert set(report["not_applied"]) == {""}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.permutations(sorted(CUTS)), st.integers(0, 2**31))
def test_the_order_of_cuts_changes_the_counts_but_not_the_stars(order, seed):
    rng, table = np.random.default_rng(seed), perfect(60)
    for name in ("snr", "numax_err", "dnu_err", "teff", "logg", "feh", "afe"):
        table[name] *= np.exp(0.7 * rng.normal(size=60))
    table["aspcap_flags"] = rng.choice([0, 0, 1 << 10, 1 << 7], 60)
    keep, report = bc.training_cuts(table)
    other, shuffled = bc.training_cuts(table, order)
    np.testing.assert_array_equal(keep, other)
    for counts in (report, shuffled):
        assert counts["removed"].sum() == (~keep).sum()
        assert (counts["removed"] <= counts["alone"]).all()
        assert counts["left"][-1] == keep.sum()
    alone = dict(zip(report["cut"], report["alone"], strict=True))
    assert alone == dict(zip(shuffled["cut"], shuffled["alone"], strict=True))


def test_a_cut_without_its_column_is_listed_as_not_applied():
    table = perfect(3)
    table["snr"][0] = 10.0
    del table["aspcap_flags"], table["numax_err"]
    keep, report = bc.training_cuts(table)
    assert keep.tolist() == [False, True, True]
    skipped = {row["cut"]: row["not_applied"] for row in report if row["not_applied"]}
    assert skipped == {
        "numax_err": "no column numax_err",
        "aspcap_flags": "no column aspcap_flags",
        "rotation": "no column aspcap_flags",
    }
    for name in ("removed", "alone", "left"):
        assert report[name].mask.tolist() == [bool(text) for text in report["not_applied"]]


def test_flags_that_are_negative_or_masked_do_not_pass():
    table = perfect(3)
    table["aspcap_flags"] = MaskedColumn(np.array([-(2**31), 0, 0], np.int32), mask=[0, 1, 0])
    assert bc.training_cuts(table, ["aspcap_flags"])[0].tolist() == [False, False, True]
    assert bc.training_cuts(table, ["rotation"])[0].tolist() == [True, False, True]
    table["aspcap_flags"] = ["", "STAR_WARN", ""]
    with pytest.raises(bc.UserError, match="ASPCAPFLAG"):
        bc.training_cuts(table)


def test_a_name_that_is_no_cut():
    with pytest.raises(bc.UserError, match="'parallax' is no training cut"):
        bc.training_cuts(perfect(2), ["parallax"])


def test_cuts_of_the_shipped_table():
    """Four stars have a lower S/N in the joined catalogue; two lie just outside in [Fe/H]."""
    keep, report = bc.training_cuts(apokasc())
    removed = {row["cut"]: row["removed"] for row in report if not row["not_applied"]}
    lost = {name: n for name, n in removed.items() if n}
    assert lost == {"snr": 4, "feh": 2}
    assert keep.sum() == 1633
    assert set(report["cut"][report["not_applied"] != ""]) == {"aspcap_flags", "rotation"}
