"""lib.strata.areas: areas under the ROC curve by group, against scikit-learn's."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from lib.strata import areas


def test_each_group_is_set_against_the_whole_other_class():
    draws = torch.Generator().manual_seed(0)
    group = torch.randint(4, (200,), generator=draws)
    y = group // 2
    score = (torch.randn(3, 200, generator=draws) + 0.7 * y).mul(4).round().double()  # with ties
    found = areas.areas(score, y, group)
    assert found.shape == (3, 4)
    for seed in range(3):
        for code in range(4):
            mask = (group == code) | (y != code // 2)
            assert found[seed, code].item() == pytest.approx(roc_auc_score(y[mask], score[seed, mask]))
        whole = areas.areas(score[seed], y, y)
        assert whole.tolist() == pytest.approx([roc_auc_score(y, score[seed])] * 2)


def test_bad_input_is_named():
    score, y = torch.arange(4.0), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="group 0 has images of both classes"):
        areas.areas(score, y, torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="all 4 images are of class 0"):
        areas.areas(score, torch.zeros(4, dtype=torch.long), y)
    with pytest.raises(ValueError, match="score"):
        areas.areas(score * torch.nan, y, y)
