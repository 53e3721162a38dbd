"""The isochrone grid: shipped values, monotone and invertible everywhere, readers and refusals.

The raw isochrones are not in the repository. Tests of the readers write small tables of invented
stars in the published layouts; everything else runs on the grid that comes with the package.
"""

import gzip
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayescannon.ages.build import assemble, build_grid, interpolation_error
from bayescannon.ages.grid import Parsec
from bayescannon.ages.interpolation import evaluate, invert, monotone_slopes, profile
from bayescannon.ages.tables import read_isochrones
from bayescannon.errors import UserError

AGES = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
METALS = {0.01: -0.1755, 0.02: 0.1425}  # Z: [M/H], as the CMD web form prints them
MASSES = np.linspace(0.8, 2.2, 15)  # [Msun], every 0.1
ETA = "# On RGB, assumed Reimers mass loss with efficiency eta=0.2\n"


@pytest.fixture(scope="module")
def grid():
    return Parsec.default()


# --- the shipped grid --------------------------------------------------------------------------


def test_shipped_grid_says_what_it_is(grid):
    assert grid.info["family"] == "PARSEC v1.2S"
    assert grid.info["eta"] == 0.2
    assert grid.last_age == pytest.approx(12.589, abs=1e-3)
    assert grid.info["repairs"] == {"count": 0, "largest": 0.0}
    assert len(grid.info["sources"]) == 15
    assert all(len(source["sha256"]) == 64 for source in grid.info["sources"])
    assert 10 ** grid.log_age[-1] == pytest.approx(13.8)
    assert not grid.filled_rc[:, -1].any()
    assert grid.filled_rc[:, :-1].all()


def _ages(grid, feh, state, shift=0.0):
    """Ages of stars of `MASSES`, their log10 shifted; one shape, so that it compiles once."""
    return np.asarray(grid.age_of_mass(np.log10(MASSES) + shift, feh, state, 2.5))


@pytest.mark.parametrize(("feh", "ages"), [(0.3, (10.0, 5.9, 3.3)), (-0.7, (5.9, 3.6, 2.0))])
def test_clump_tracks_of_the_paper_within_5_percent(grid, feh, ages):
    at = [2, 4, 7]  # 1.0, 1.2, 1.5 Msun
    np.testing.assert_allclose(_ages(grid, feh, "rc")[at], ages, rtol=0.05)


def test_007_dex_of_mass_is_about_021_dex_of_age(grid):
    for state in ("rgb", "rc"):
        ratio = _ages(grid, 0.0, state, -0.035) / _ages(grid, 0.0, state, 0.035)
        assert 0.18 < np.nanmedian(np.log10(ratio)) < 0.22


def test_the_clump_is_younger_than_the_branch_at_1_and_older_at_18(grid):
    shift = _ages(grid, 0.0, "rc") / _ages(grid, 0.0, "rgb") - 1
    np.testing.assert_allclose(shift[[2, 10]], [-0.21, 0.07], atol=0.02)


def test_interpolation_error_from_half_of_the_ages(grid):
    x, mh = grid.log_age[1:-1:2] > np.log10(0.5), (grid.mh > -0.9) & (grid.mh < 0.41)
    # The rare ones sit at the onset of the convective core (branch) and of the flash (clump), where
    # the isochrones themselves have a kink.
    for state, usual, rare in (("rgb", 0.003, 0.008), ("rc", 0.008, 0.012)):
        error = interpolation_error(grid, state)[:, mh][..., x]
        assert np.nanmedian(error) < 0.001
        assert np.nanquantile(error, 0.9) < usual
        assert np.nanmax(error) < rare


# --- evaluation --------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), state=st.sampled_from(["rgb", "rc"]))
def test_one_mass_has_one_age_in_10000_random_places(seed, state):
    """10 x 1000 places; the round trip is exact up to rounding."""
    rng, table = np.random.default_rng(seed), Parsec.default().table("log_mass", state)
    log_mass = np.log10(rng.uniform(0.75, 5.5, 1000))
    mh = rng.uniform(table.mh[0], table.mh[-1], 1000)
    logg = rng.uniform(1.0, 3.8, 1000)
    x = np.asarray(invert(table, log_mass, mh, logg))
    on = np.isfinite(x)
    assert on.sum() > 700
    again = np.asarray(evaluate(table, x, mh, logg))
    np.testing.assert_allclose(again[on], log_mass[on], atol=1e-12)
    older = np.asarray(invert(table, log_mass - 1e-6, mh, logg))
    both = on & np.isfinite(older)
    assert (older[both] > x[both]).all()
    anywhere = rng.uniform(table.x[0], table.x[-1], 1000)
    slope = np.asarray(_slope(table, anywhere, mh, logg))
    assert (slope < -0.05).all()
    assert (slope > -1.5).all()


@jax.jit
def _slope(table, x, mh, logg):
    return jax.grad(lambda x: evaluate(table, x, mh, logg).sum())(x)


@pytest.mark.parametrize("state", ["rgb", "rc"])
def test_nodes_are_met_and_gradients_are_right(grid, state):
    table = grid.table("log_mass", state)
    g, m, x = jnp.meshgrid(table.logg, table.mh, table.x, indexing="ij")
    np.testing.assert_allclose(evaluate(table, x, m, g), table.value, atol=1e-14)
    at, step = np.array([0.31, -0.2, 2.31]), 1e-6
    value = jax.jit(lambda at: evaluate(table, at[0], at[1], at[2]))
    gradient = jax.jit(jax.grad(value))(at)
    for k, move in enumerate(step * np.eye(3)):
        difference = (value(at + move) - value(at - move)) / (2 * step)
        np.testing.assert_allclose(gradient[k], difference, atol=1e-8)


def test_outside_is_nan_and_never_clipped(grid):
    table = grid.table("log_mass", "rc")
    x, mh = np.array([-1.1, 1.2, 0.5, 0.5, np.nan]), np.array([0.0, 0.0, -2.5, 0.8, 0.0])
    assert np.isnan(evaluate(table, x, mh)).all()
    assert np.isnan(profile(table, np.array([-2.5, 0.8]))).all()
    log_mass = np.log10([0.5, 9.0, 1.0, np.nan])
    assert np.isnan(grid.age_of_mass(log_mass, np.array([0.0, 0.0, 0.9, 0.0]), "rc")).all()


def test_log_g_beyond_the_outer_nodes_counts_as_the_outer_node(grid):
    for outer, beyond in ((grid.logg[0], 0.5), (grid.logg[-1], 4.0)):
        assert grid.log_mass(0.5, 0.1, "rgb", beyond) == grid.log_mass(0.5, 0.1, "rgb", outer)


def test_fine_profile_is_the_table(grid):
    for quantity, state in (("log_mass", "rgb"), ("spread", "rc")):
        fine = grid.fine(quantity, state, 301)
        rows = profile(fine, np.array([-0.33, 0.2]), np.array([2.5, 1.7]))
        x, mh, logg = fine.x, np.array([[-0.33], [0.2]]), np.array([[2.5], [1.7]])
        exact = evaluate(grid.table(quantity, state), x[None], mh, logg)
        np.testing.assert_allclose(rows, exact, atol=1e-12)


def test_slopes_match_an_independent_formula():
    """Harmonic means by hand for uneven steps, and zero at a turn."""
    x, y = jnp.array([0.0, 1.0, 3.0, 4.0]), jnp.array([0.0, -1.0, -5.0, -4.0])
    slope = monotone_slopes(x, y)
    assert slope[1] == pytest.approx(-(5 + 4) / (5 / 1 + 4 / 2))
    assert slope[2] == 0.0


# --- building, with invented stars -------------------------------------------------------------


def _stars(age: float, mh: float, *, stray: bool = True) -> np.ndarray:
    """Rows of initial mass, mass, log g, stage (1 before, 2 branch, 3 clump, 4 after)."""
    first = 10 ** (0.07 + 0.1 * mh - 0.33 * np.log10(age))
    logg = np.array([3.9, 3.5, 3.1, 2.9, 2.7, 2.55, 2.65, 2.5, 2.2, 1.8, 1.4, 0.9, 0.2])
    branch_mass = first * (1 + 0.002 * np.linspace(0, 1, logg.size))
    rows = [[0.9 * first, 0.9 * first, 4.4, 1]]
    rows += [[m, m - 1e-3, g, 2] for m, g in zip(branch_mass, logg, strict=True)]
    tip = rows[-1][0]
    rows += [[tip, tip - 0.05, 0.1, 3]] if stray else []
    rows += [
        [tip + d, tip - 0.04 + d, 2.4 + 0.1 * s, 3]
        for d, s in ((0.0, 0), (0.002, 1), (0.006, 1), (0.008, 0))
    ]
    return np.array([*rows, [tip + 0.009, tip - 0.031, 1.5, 4]])


def _write_cmd(path, *, ages=AGES, metals=METALS, eta=ETA, stages=(1, 2, 3, 4), end=True):
    label = {1: 1, 2: 3, 3: 4, 4: 7}
    lines = ["# File generated by CMD 3.7\n# isochrones based on PARSEC release v1.2S\n" + eta]
    for z, mh in metals.items():
        for age in ages:
            lines.append("# Zini MH logAge Mini int_IMF Mass logL logTe logg label mbolmag\n")
            lines += [
                f"{z} {mh:.5f} {9 + np.log10(age):.5f} {mi:.10f} 1.0 {m:.4f} 1.5 3.7 {g:.3f} "
                f"{label[stage]} 0.1\n"
                for mi, m, g, stage in _stars(age, mh)
                if stage in stages
            ]
    path.write_text("".join(lines) + ("#isochrone terminated\n" if end else ""))
    return path


def _write_fsps(path, mh, *, ages=AGES):
    lines = ["# log(age) Mini Mact logl logt logg Composition Phase\n"]
    for age in ages:
        lines += [
            f"{9 + np.log10(age):.5f} {mi:.8f} {m:.4f} 1.5 3.7 {g:.3f} 0.48 {stage:.4f}\n"
            for mi, m, g, stage in _stars(age, mh)
        ]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def _write_mist(path, mh, *, ages=AGES):
    phase = {1: 0, 2: 2, 3: 3, 4: 4}
    names = ["EEP", "log10_isochrone_age_yr", "initial_mass", "star_mass"]
    names += ["log_L", "log_Teff", "log_g", "phase"]
    lines = [
        "# MIST version number  =  1.2\n# MESA revision number =     7503\n# -----\n",
        "#  Yinit        Zinit   [Fe/H]   [a/Fe]  v/vcrit\n",
        f"# 0.2703  1.42857E-02  {mh:.5f}     0.00     0.40\n# -----\n",
        f"# number of isochrones =   {len(ages)}\n# -----\n",
    ]
    for age in ages:
        stars = _stars(age, mh)
        lines.append(f"# number of EEPs, cols =   {len(stars)}   {len(names)}\n")
        lines.append("#   " + " ".join(map(str, range(1, 9))) + "\n")
        lines.append("# " + "  ".join(names) + "\n")
        lines += [
            f"  {200 + i}  {9 + np.log10(age):.5f} {mi:.10E} {m:.6E} 1.5 3.7 {g:.5E} "
            f"{phase[stage]}.0\n"
            for i, (mi, m, g, stage) in enumerate(stars)
        ]
        lines.append("\n\n")
    path.write_text("".join(lines))
    return path


def test_three_published_layouts_of_invented_stars_give_the_same_grid(tmp_path):
    cmd = build_grid([_write_cmd(tmp_path / "output.dat")])
    fsps = build_grid(
        [_write_fsps(tmp_path / f"isoc_z{z:.4f}.dat.gz", mh) for z, mh in METALS.items()], eta=0.2
    )
    mist = build_grid(
        [_write_mist(tmp_path / f"feh_{mh}.iso", mh) for mh in METALS.values()], eta=0.1
    )
    assert (cmd.info["family"], mist.info["family"]) == ("PARSEC v1.2S", "MIST 1.2")
    assert (cmd.info["eta"], mist.info["eta"]) == (0.2, 0.1)
    for other in (fsps, mist):
        np.testing.assert_allclose(other.mh, cmd.mh, atol=2e-4)
        for name in ("log_mass_rgb", "log_mass_rc", "log_number_rgb", "log_number_rc"):
            np.testing.assert_allclose(getattr(other, name), getattr(cmd, name), atol=1e-3)
        assert (other.filled_rgb == cmd.filled_rgb).all()


def test_a_stray_tip_point_and_the_bump_do_not_move_an_invented_grid(tmp_path):
    built = build_grid([_write_cmd(tmp_path / "output.dat")])
    for i, mh in enumerate(built.mh):
        for j, age in enumerate(AGES):
            stars = _stars(age, mh, stray=False)
            clump = np.log10(stars[stars[:, 3] == 3, 1])
            assert clump[1] < built.log_mass_rc[i, j] < clump[2]
            branch = np.log10(stars[stars[:, 3] == 2, 1])
            assert (built.log_mass_rgb[:, i, j] > branch.min() - 1e-4).all()
            assert (built.log_mass_rgb[:, i, j] < branch.max() + 1e-4).all()
    assert built.filled_rgb[..., :-1].all()
    # the count of the clump: stars born between its first and last initial mass
    ends = stars[stars[:, 3] == 3, 0]
    born = (ends[0] ** -1.3 - ends[-1] ** -1.3) / 1.3
    assert built.log_number_rc[-1, -2] == pytest.approx(np.log(born), abs=1e-4)


def test_the_oldest_ages_are_extended_and_flagged(tmp_path):
    built = build_grid([_write_cmd(tmp_path / "output.dat")])
    assert built.last_age == 8.0
    assert not built.filled_rc[:, -1].any()
    slope = np.diff(built.log_mass_rc) / np.diff(built.log_age)
    np.testing.assert_allclose(slope[:, -1], slope[:, -2], rtol=1e-9)
    longer = build_grid([_write_cmd(tmp_path / "b.dat", ages=np.append(AGES, [12.0, 15.0]))])
    assert longer.last_age == 13.8
    assert longer.filled_rc.all()
    assert 10 ** longer.log_age[-2:] == pytest.approx([12.0, 13.8], rel=1e-4)


def test_a_small_rise_of_mass_is_mended_and_counted_and_a_large_one_refused(tmp_path):
    isochrones = read_isochrones(_write_cmd(tmp_path / "output.dat")).isochrones
    info = {"family": "invented", "eta": 0.2, "sources": []}

    def with_third_age_heavier(dex):
        x = np.log10(AGES[2])
        factor = [10 ** (dex * (abs(iso.log_age - x) < 0.01)) for iso in isochrones]
        return [iso._replace(mass=iso.mass * f) for iso, f in zip(isochrones, factor, strict=True)]

    mended = assemble(with_third_age_heavier(0.105), info)
    assert mended.info["repairs"]["count"] > 0
    assert 0.002 < mended.info["repairs"]["largest"] < 0.01
    with pytest.raises(UserError, match="rises with age"):
        assemble(with_third_age_heavier(0.2), info)


# --- refusals ----------------------------------------------------------------------------------


def _no_end(path):
    return [_write_cmd(path, end=False)]


def _ragged(path):
    _write_cmd(path)
    path.write_text(path.read_text().replace(" 0.1\n", "\n", 3))
    return [path]


def _cut_gzip(path):
    whole = gzip.compress(_write_cmd(path).read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    return [path]


def _garbage(path):
    path.write_bytes(bytes(range(256)) * 10)
    return [path]


def _cut_mist(path):
    lines = _write_mist(path, 0.0).read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-10]))
    return [path]


BAD = {
    "one age": (lambda p: [_write_cmd(p, ages=[5.0])], None, "only 1 of the ages .* needs 5"),
    "one metallicity": (
        lambda p: [_write_cmd(p, metals={0.02: 0.1425})],
        None,
        "only 1 of the metallicities .* needs 2",
    ),
    "no eta": (lambda p: [_write_cmd(p, eta="")], None, "states no Reimers eta.*--eta"),
    "other eta": (lambda p: [_write_cmd(p)], 0.4, "states eta = 0.2, not 0.4"),
    "no clump": (lambda p: [_write_cmd(p, stages=(1, 2))], None, "core-helium-burning stars at 0"),
    "no branch": (lambda p: [_write_cmd(p, stages=(1, 3))], None, "giant-branch stars at 0"),
    "twice": (lambda p: [_write_cmd(p), _write_cmd(p.with_name("b.dat"))], None, "there twice"),
    "cut short": (_no_end, None, "ends before"),
    "ragged": (_ragged, None, "broken line"),
    "cut gzip": (_cut_gzip, None, "damaged"),
    "garbage": (_garbage, None, "damaged"),
    "cut MIST": (_cut_mist, 0.1, "points; fetch"),
    "missing": (lambda p: [p], None, "cannot be read"),
    "no files": (lambda p: [], None, "no isochrone files"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_tables_are_refused_in_one_line(tmp_path, case):
    write, eta, message = BAD[case]
    paths = write(tmp_path / "output.dat")
    with pytest.raises(UserError, match=message) as caught:
        build_grid(paths, eta=eta)
    assert "\n" not in str(caught.value)
    assert not paths or "output.dat" in str(caught.value)


def test_a_missing_column_and_an_unknown_layout_are_named(tmp_path):
    path = _write_cmd(tmp_path / "output.dat")
    path.write_text(path.read_text().replace("label", "stage"))
    with pytest.raises(UserError, match="no column label"):
        read_isochrones(path)
    path.write_text("# a table of something else\n1 2 3\n")
    with pytest.raises(UserError, match="no isochrone table that is known"):
        read_isochrones(path)


def test_without_mass_loss_is_accepted_when_said(tmp_path):
    assert build_grid([_write_cmd(tmp_path / "output.dat", eta="")], eta=0.0).info["eta"] == 0.0


def test_a_grid_that_is_none_is_refused(grid):
    rising = grid.log_mass_rc.copy()
    rising[3, 10] = rising[3, 9] + 0.01
    for change in (
        {"log_mass_rc": rising},
        {"mh": grid.mh[::-1]},
        {"log_number_rc": grid.log_number_rc * np.nan},
    ):
        with pytest.raises(UserError, match="isochrone grid"):
            replace(grid, **change)
    with pytest.raises((UserError, TypeError)):  # whichever check of shapes comes first
        replace(grid, mh=grid.mh[1:])


# --- on disk -----------------------------------------------------------------------------------


def _bytes(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_saved_and_opened_is_the_same_to_the_byte(grid, tmp_path):
    grid.save(tmp_path / "a.zarr")
    again = Parsec.open(tmp_path / "a.zarr")
    again.save(tmp_path / "b.zarr")
    assert _bytes(tmp_path / "a.zarr") == _bytes(tmp_path / "b.zarr")
    assert again.info == grid.info
    np.testing.assert_array_equal(again.filled_rgb, grid.filled_rgb)
    assert sum(map(len, _bytes(tmp_path / "a.zarr").values())) < 1.5e6


def test_newer_damaged_and_missing_grids_are_refused(grid, tmp_path):
    folder = tmp_path / "a.zarr"
    with pytest.raises(UserError, match="no isochrone grid"):
        Parsec.open(folder)
    grid.save(folder)
    meta = json.loads((folder / "zarr.json").read_text())
    meta["attributes"]["format"] = 99
    (folder / "zarr.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match="grid format 99"):
        Parsec.open(folder)
    (folder / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="not a whole isochrone grid"):
        Parsec.open(folder)
