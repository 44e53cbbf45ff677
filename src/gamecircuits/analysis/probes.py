"""Linear probes: what can be read from activations, place by place, by softmax regression.

The loss of a probe is convex, so there is one best probe, and the size of the gradient says how far
it is. Probes are fitted in coordinates in which activations have mean 0, variance 1 in every
direction, and no correlation: what they find does not depend on a change of basis or of scale.
"""

from dataclasses import dataclass

import numpy as np
import scipy

RIDGE = 1e-4  # on the squares of a probe's weights: separable classes have no best probe without it
TOLERANCE = 1e-6  # of the gradient of the mean loss of a place
STEPS = 2000
FLAT = 1e-10  # share of the largest variance below which a direction holds nothing


@dataclass(frozen=True, eq=False)
class Probe:
    """Scores of the values of each place, linear in activations of width d.

    Attributes:
        W: (d, places, values).
        b: (places, values).
        gradient: largest entry of the gradient at the end, nats per unit of a weight.
        loss: mean over what it was fitted on, of the sum over places, nats; without the ridge.
    """

    W: np.ndarray
    b: np.ndarray
    gradient: float
    loss: float

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Scores (n, places, values) of activations (n, d); the softmax is over values."""
        d, *shape = self.W.shape
        return (rows @ self.W.reshape(d, -1)).reshape(len(rows), *shape) + self.b


def fit_probe(
    rows: np.ndarray, labels: np.ndarray, num_values: int, *, ridge: float = RIDGE
) -> Probe:
    """The best linear probe, by L-BFGS in float64.

    Args:
        rows: activations (n, d).
        labels: what each place holds, integers in 0..num_values−1 (n, places).
        ridge: the loss has ridge / 2 times the sum of squared weights, biases too, in whitened
            coordinates added to its mean.
    """
    n, places = labels.shape
    rows = np.asarray(rows, dtype=np.float64)
    mean = rows.mean(axis=0)
    whiten = _find_whitening(rows - mean)
    inputs = np.column_stack([(rows - mean) @ whiten, np.ones(n)])
    shape = (inputs.shape[1], places, num_values)
    is_value = labels[..., None] == np.arange(num_values)

    def measure(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape[0], -1)
        scores = (inputs @ weights).reshape(n, places, num_values)
        scores -= scores.max(axis=2, keepdims=True)
        true = scores[is_value].sum()
        np.exp(scores, out=scores)
        sums = scores.sum(axis=2, keepdims=True)
        loss = (np.log(sums).sum() - true) / n
        scores /= sums
        scores -= is_value
        gradient = inputs.T @ scores.reshape(n, -1) / n + ridge * weights
        return loss + ridge / 2 * (flat @ flat), gradient.ravel()

    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "gtol": TOLERANCE, "ftol": 0, "maxcor": 20}
    start = np.zeros(np.prod(shape))
    found = scipy.optimize.minimize(measure, start, jac=True, method="L-BFGS-B", options=options)
    best = found.x.reshape(shape)
    W = np.tensordot(whiten, best[:-1], axes=1)
    b = best[-1] - np.tensordot(mean, W, axes=1)
    loss = found.fun - ridge / 2 * (found.x @ found.x)
    return Probe(W, b, float(np.abs(found.jac).max()), float(loss))


def _find_whitening(rows: np.ndarray) -> np.ndarray:
    """(d, rank) such that rows @ it, of rows of mean 0, has the identity as covariance."""
    values, vectors = np.linalg.eigh(rows.T @ rows / max(len(rows), 1))
    held = values > FLAT * max(values.max(), 1e-300)
    return vectors[:, held] / np.sqrt(values[held])
