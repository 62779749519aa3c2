"""lib.geometry.collapse: two levels against certified free vectors,
thresholds against closed forms, limits against large R.
"""

import math

import pytest
import torch

from lib import geometry
from lib.geometry import collapse

R = torch.tensor([0.5, 3.0, 20.0, 80.0], dtype=torch.float64)


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize(
    "majorities, negatives, loss", [(1, 1, "infonce"), (1, 4, "infonce"), (3, math.inf, "infonce")]
)
def test_three_cosines_are_those_of_the_free_vectors(majorities, negatives, loss, law):
    found = collapse.two_level(majorities, 3, R, 0.5, negatives, law, loss)
    free = geometry.optimum(collapse.shares(majorities, 3, R), 0.5, negatives, law, loss)
    assert free.certificate.converged.all()
    cells = {"b": (-1, -2), "c": (0, -1)} | ({"a": (0, 1)} if majorities > 1 else {})
    for name, (i, j) in cells.items():
        assert torch.allclose(getattr(found, name), free.cosines[:, i, j], atol=1e-6), name
    assert majorities > 1 or found.a.isnan().all()


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives", [1, 5, math.inf])
def test_the_threshold_of_one_majority_is_the_closed_form(negatives, law):
    known = geometry.collapse_threshold(3, 0.7, negatives, law)
    assert collapse.threshold(1, 3, 0.7, negatives, law) == pytest.approx(known, rel=1e-8)
    b = collapse.two_level(1, 3, [known * 0.99, known * 1.01], 0.7, negatives, law).b
    assert b[0] < 0.999 and b[1] == 1
    assert collapse.threshold(1, 3, 0.7, 1, law, "triplet") > 1e8  # its rounded corner


def test_two_majorities_collapse_the_minorities_and_three_do_not():
    r = collapse.threshold(2, 3, 0.5, 1, "iid")
    free = geometry.optimal_gram(collapse.shares(2, 3, [0.95 * r, 1.05 * r]), 0.5, 1, "iid")
    assert free[0, 2, 3] < 0.999 and free[1, 2, 3] > 1 - 1e-6
    assert collapse.threshold(3, 3, 0.5, 1, "iid") == math.inf


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("majorities, tau", [(3, 0.5), (4, 1.0), (2, 0.5)])
def test_the_limit_is_what_large_ratios_tend_to(majorities, tau, law):
    limit = collapse.limit_cosine(majorities, tau, law)
    b = collapse.two_level(majorities, 2, [1e3, 1e5, 1e7], tau, 1, law).b
    gaps = (b - limit).abs()
    assert gaps[2] < 1e-5 and (gaps[2] < gaps[0] / 50 or gaps[0] < 1e-9)
    assert (limit == 1) == (majorities == 2)


def test_three_classes_lie_in_a_plane():
    found = collapse.two_level(1, 2, R, 0.5, 1)
    assert torch.linalg.det(collapse.gram(1, 2, found.a.nan_to_num(), found.b, found.c)).abs().max() < 1e-12


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: collapse.shares(0, 2, 1.0), "majorities=0"),
        (lambda: collapse.shares(1, 2, -1.0), "ratio=-1.0"),
        (lambda: collapse.two_level(1, 1, 2.0), "minorities=1"),
        (lambda: collapse.limit_cosine(1, 0.5), "majorities=1"),
        (lambda: collapse.limit_cosine(2, -0.5), "tau=-0.5"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
