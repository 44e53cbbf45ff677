"""A probe with one hidden layer: what can be read from activations if it need not be linear.

It is there to compare linear probes with. Its loss is not convex, so all that can be said of the
end is how many steps led there.
"""

from dataclasses import dataclass

import numpy as np

from gamecircuits.audits.probes import check_rows, find_whitening, take_gradient

HIDDEN = 128  # units, which all places share
BATCH, STEPS, RATE = 256, 1500, 3e-3  # of Adam; the rate falls to 0 in a straight line


@dataclass(frozen=True, eq=False)
class MLPProbe:
    """Scores of the values of each place, by a hidden layer of rectified units.

    Attributes:
        mean: of the activations (d,).
        whiten: (d, rank), to coordinates of variance 1 without correlation.
        weights: to the hidden layer (rank + 1, h) and from it (h + 1, places · values); the last
            row of each is the bias.
        shape: (places, values).
        loss: as of a linear probe.
    """

    mean: np.ndarray
    whiten: np.ndarray
    weights: tuple[np.ndarray, np.ndarray]
    shape: tuple[int, int]
    loss: float = np.nan

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Scores (n, places, values) of activations (n, d); the softmax is over values."""
        inputs = ((rows - self.mean) @ self.whiten).astype(np.float32)
        _, scores = _run(inputs, self.weights)
        return scores.reshape(len(rows), *self.shape)


def fit_mlp_probe(
    rows: np.ndarray, labels: np.ndarray, num_values: int, rng: np.random.Generator
) -> MLPProbe:
    """A probe after STEPS steps of Adam (Kingma and Ba 2015) on random batches, in float32.

    Args: as for `fit_probe`; rng draws the start and the batches.
    """
    check_rows(rows)
    rows = np.asarray(rows, dtype=np.float64)
    mean = rows.mean(axis=0)
    whiten = find_whitening(rows - mean)
    inputs = ((rows - mean) @ whiten).astype(np.float32)
    shape = (labels.shape[1], num_values)
    sizes = [(inputs.shape[1] + 1, HIDDEN), (HIDDEN + 1, shape[0] * shape[1])]
    flat = np.concatenate(
        [rng.normal(0, (2 / size[0]) ** 0.5, size).ravel() for size in sizes], dtype=np.float32
    )
    weights = _split(flat, sizes)
    weights[0][-1] = weights[1][-1] = 0
    gradient = np.empty_like(flat)
    parts = _split(gradient, sizes)
    first, second = np.zeros_like(flat), np.zeros_like(flat)  # moments
    for step in range(1, STEPS + 1):
        chosen = rng.integers(len(rows), size=min(BATCH, len(rows)))
        fill_gradient(inputs[chosen], labels[chosen], weights, parts)
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        size = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        flat -= RATE * (1 - (step - 1) / STEPS) * first / (1 - 0.9**step) / size
    _, scores = _run(inputs, weights)
    loss = take_gradient(scores.reshape(len(rows), *shape), labels) / len(rows)
    return MLPProbe(mean, whiten, weights, shape, float(loss))


def fill_gradient(
    inputs: np.ndarray,
    labels: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    gradient: tuple[np.ndarray, np.ndarray],
) -> float:
    """Mean over inputs (n, rank) of the loss, labels (n, places); fills in its gradient."""
    n, places = labels.shape
    hidden, scores = _run(inputs, weights)
    loss = take_gradient(scores.reshape(n, places, -1), labels) / n
    scores /= n
    back = (scores @ weights[1][:-1].T) * (hidden > 0)
    for part, left, right in zip(gradient, (inputs, hidden), (back, scores), strict=True):
        part[:-1], part[-1] = left.T @ right, right.sum(axis=0)
    return loss


def _run(inputs: np.ndarray, weights: tuple[np.ndarray, np.ndarray]):
    """Hidden layer (n, h) and scores (n, places · values)."""
    first, second = weights
    hidden = np.maximum(inputs @ first[:-1] + first[-1], 0)
    return hidden, hidden @ second[:-1] + second[-1]


def _split(flat: np.ndarray, sizes) -> tuple[np.ndarray, np.ndarray]:
    """The two matrices that a vector holds, as views."""
    size = sizes[0][0] * sizes[0][1]
    return flat[:size].reshape(sizes[0]), flat[size:].reshape(sizes[1])
