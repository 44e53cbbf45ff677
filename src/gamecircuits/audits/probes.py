"""Linear probes: what can be read from activations, place by place, by softmax regression.

The loss of a probe is convex, and with a ridge it is strongly convex: there is one best probe, and
the gradient bounds how much better it is. Probes are fitted in coordinates in which activations
have mean 0, variance 1 in every direction, and no correlation: what they find does not depend on a
change of basis or of scale.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import scipy
from numba import njit
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gamecircuits.errors import ArtefactError, GamecircuitsError
from gamecircuits.storage.files import KEY, REPAIR, write_atomically

RIDGE = 1e-4  # on the squares of a probe's weights: separable classes have no best probe without it
EXCESS = 1e-4  # nats per place: no probe has a loss, ridge included, that is lower by more
STEPS = 5000
FLAT = 1e-10  # share of the largest variance below which a direction holds nothing


@dataclass(frozen=True, eq=False)
class Probe:
    """Scores of the values of each place, linear in activations of width d.

    Attributes:
        W: (d, places, values).
        b: (places, values).
        gradient: largest entry of the gradient at the end, nats per unit of a weight.
        loss: mean over what it was fitted on, of the sum over places, nats; without the ridge.
        excess: bound on how much lower the loss of any probe is, ridge included, nats per place.
        iterations: steps of the optimiser.
    """

    W: np.ndarray
    b: np.ndarray
    gradient: float = np.nan
    loss: float = np.nan
    excess: float = np.nan
    iterations: int = 0

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Scores (n, places, values) of activations (n, d); the softmax is over values."""
        d, *shape = self.W.shape
        return (rows @ self.W.reshape(d, -1)).reshape(len(rows), *shape) + self.b


def fit_probe(
    rows: np.ndarray, labels: np.ndarray, num_values: int, *, ridge: float = RIDGE
) -> Probe:
    """The best linear probe, by L-BFGS in float64.

    The loss f with its ridge λ is strongly convex: f(w) − min f ≤ |∇f(w)|² / 2λ (Nesterov 2004,
    theorem 2.1.10). The optimiser stops when that is less than EXCESS per place.

    Args:
        rows: activations (n, d).
        labels: what each place holds, integers in 0..num_values−1 (n, places).
        ridge: the loss has ridge / 2 times the sum of squared weights, biases too, in whitened
            coordinates added to its mean.

    Raises:
        GamecircuitsError: there are no rows, or some are not finite.
    """
    check_rows(rows)
    n, places = labels.shape
    rows = np.asarray(rows, dtype=np.float64)
    mean = rows.mean(axis=0)
    whiten = find_whitening(rows - mean)
    inputs = np.column_stack([(rows - mean) @ whiten, np.ones(n)])
    shape = (inputs.shape[1], places, num_values)
    bound = np.inf

    def measure(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal bound
        weights = flat.reshape(shape[0], -1)
        scores = inputs @ weights
        loss = take_gradient(scores.reshape(n, places, num_values), labels) / n
        gradient = inputs.T @ scores / n + ridge * weights
        bound = (gradient**2).sum() / (2 * ridge * places)
        return loss + ridge / 2 * (flat @ flat), gradient.ravel()

    def stop(flat: np.ndarray) -> None:
        if bound <= EXCESS:
            raise StopIteration

    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "gtol": 0, "ftol": 0}
    start = np.zeros(np.prod(shape))
    found = scipy.optimize.minimize(
        measure, start, jac=True, method="L-BFGS-B", options=options, callback=stop
    )
    best = found.x.reshape(shape)
    loss, gradient = measure(found.x)
    W = np.tensordot(whiten, best[:-1], axes=1)
    b = best[-1] - np.tensordot(mean, W, axes=1)
    loss -= ridge / 2 * (found.x @ found.x)
    return Probe(W, b, float(np.abs(gradient).max()), float(loss), float(bound), int(found.nit))


def check_rows(rows: np.ndarray) -> None:
    """Raise GamecircuitsError at activations (n, d) that nothing can be read from."""
    if not len(rows):
        raise GamecircuitsError("there are no positions to fit a probe on")
    if not np.isfinite(rows).all():
        raise GamecircuitsError("the model's activations are not finite: no probe can be fitted")


@njit(cache=True, nogil=True)
def take_gradient(scores, labels):
    """Sum of the cross-entropies in nats over rows and places; scores become its gradient.

    scores: floats (n, places, values); labels: integers (n, places).
    """
    total = 0.0
    n, places, num_values = scores.shape
    for i in range(n):
        for j in range(places):
            row, label = scores[i, j], labels[i, j]
            top = row.max()
            total += top - row[label]
            mass = 0.0
            for k in range(num_values):
                row[k] = np.exp(row[k] - top)
                mass += row[k]
            total += np.log(mass)
            for k in range(num_values):
                row[k] /= mass
            row[label] -= 1
    return total


def find_whitening(rows: np.ndarray) -> np.ndarray:
    """(d, rank) such that rows @ it, of rows of mean 0, has the identity as covariance."""
    values, vectors = np.linalg.eigh(rows.T @ rows / max(len(rows), 1))
    held = values > FLAT * max(values.max(), 1e-300)
    return vectors[:, held] / np.sqrt(values[held])


FITTED = [field.name for field in fields(Probe)][2:]  # what is said of a probe beside its weights


def write_probes(
    path: Path | str, probes: Mapping[str, Probe], values: Mapping[str, tuple[str, ...]], job: str
) -> None:
    """Write probes as safetensors: NAME.W and NAME.b for each, names as `name_probe` gives them.

    Args:
        probes: by name.
        values: what the places of each feature may hold, by the feature's name.
        job: that made them.
    """
    tensors: dict[str, np.ndarray] = {}
    for name, probe in probes.items():
        tensors |= {f"{name}.W": probe.W, f"{name}.b": probe.b}
    fitted = {name: {key: asdict(probe)[key] for key in FITTED} for name, probe in probes.items()}
    # One metadata entry: with several, safetensors writes them in an order that varies.
    metadata = json.dumps({"job": job, "values": values, "probes": fitted}, sort_keys=True)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata={KEY.decode(): metadata}))


def read_probes(path: Path | str) -> dict[str, Probe]:
    """Probes by name, as `write_probes` wrote them."""
    try:
        with safe_open(path, framework="numpy") as file:
            fitted = json.loads(file.metadata()[KEY.decode()])["probes"]
            return {
                name: Probe(file.get_tensor(f"{name}.W"), file.get_tensor(f"{name}.b"), **numbers)
                for name, numbers in fitted.items()
            }
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist; {REPAIR}") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} holds no probes ({error}); {REPAIR}") from error


def name_probe(
    site: str, feature: str, labels: str = "true", fitted_on: str = "all lengths"
) -> str:
    """Name of a probe: SITE.FEATURE, and .random (labels) or .trained (lengths alone)."""
    words = [site, feature]
    words += [labels] if labels != "true" else []
    words += ["trained"] if fitted_on == "trained lengths" else []
    return ".".join(words)
