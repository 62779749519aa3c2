"""lib.sbm.estimate: the estimated connectivity against scikit-learn's graph, and the harm that it predicts."""

import pytest
import torch
from sklearn.neighbors import kneighbors_graph

from lib.sbm import estimate


def blobs(n=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 1.0]])
    y = torch.arange(n) % 3
    return centres[y] + 0.25 * torch.randn(n, 3, generator=generator), y


def test_connectivity_is_that_of_scikit_learns_graph():
    z, y = blobs()
    x = torch.nn.functional.normalize(z.double(), dim=1).numpy()
    graph = kneighbors_graph(x, 5, include_self=False).toarray()  # Euclidean on the sphere orders as the cosine
    joined = torch.from_numpy((graph + graph.T) > 0).double()
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for a in range(3):
        for b in range(3):
            part = joined[y == a][:, y == b]
            expected[a, b] = part.sum() / (part.numel() - (len(part) if a == b else 0))
    found = estimate.connectivity(z, y, 3, 5)
    assert torch.allclose(found, expected / expected.max(), atol=1e-12)
    assert found[0, 1] > found[0, 2]


def test_the_rare_class_moves_to_the_class_it_is_connected_to():
    z, y = blobs()
    harm = estimate.predicted_harm(estimate.connectivity(z, y, 3), [0, 1], 0.05, 0.5)
    assert harm.shape == (2, 3) and torch.isnan(harm[0, 0]) and torch.isnan(harm[1, 1])
    assert harm[0, 1] < 1 and harm[1, 0] < 1
    nothing = estimate.predicted_harm(estimate.connectivity(z, y, 3), [0], 1.0, 0.5)
    assert torch.allclose(nothing[0, 1:], torch.ones(2, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("count", [0, 60])
def test_a_number_of_neighbours_that_cannot_be_is_refused(count):
    z, y = blobs()
    with pytest.raises(ValueError, match=f"neighbours={count} must be at least 1 and below the 60 images"):
        estimate.connectivity(z, y, 3, count)
