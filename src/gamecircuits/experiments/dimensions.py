"""What do too few dimensions cost? KL below V−1 (Cor. 6), balance below 2(V−1) (Thm. 13)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import scipy
from annotated_types import Interval

from gamecircuits.analysis.contexts import all_contexts
from gamecircuits.experiments.experiment import Experiment
from gamecircuits.theory.basics import centering
from gamecircuits.theory.superposition import block_limits, kl_floor_by_length, untrained_kl
from gamecircuits.theory.widths import imbalance_floor
from gamecircuits.transformer.circuits import direct_path
from gamecircuits.transformer.constructions._chains import get_chains
from gamecircuits.transformer.constructions.construction import helmert
from gamecircuits.transformer.model import Parameters

LENGTHS = np.array([1, 2])
SOLVED = 1e-8  # nats: the infimum 0 is not attained, so a KL below this ends the descent
PENALTY = 30.0  # on the squared excess of a log norm over its budget
POWER = 48  # of the Schatten norm that stands for the operator norm, which has no gradient

Arrays = Sequence[np.ndarray]
Loss = Callable[..., tuple[float, Arrays]]  # of arrays: the value and its gradients


@dataclass(frozen=True)
class Dimensions(Experiment):
    """Best models that an optimiser finds at each width, against what theory allows.

    Parts `embedding` (d = 1..2V, d_v = d) and `values` (d_v = 1..2V, d = 2V) minimise the mean of
    the mean KL at lengths 1 and 2, whose infimum is 0 iff d and d_v are at least V−1. Attention is
    `uniform`, or `free`: any positive table of attention weights, more than any d_k can do. One
    more descent of `free` starts from the best `uniform` model, a special case, so that the best
    `free` one is never above it. The floors hold for both.

    Part `balance` (d = V−1..2(V−1)) keeps D = −xP, ‖W_E‖ <= 1 and ‖W_U‖ <= 1 and minimises the
    imbalance, see `imbalance`, under a budget 2, 4, 8, ... on N = ‖W_V W_O‖/x: `imbalance_floor`.
    All norms are operator norms; x = 1, since it only scales W_V W_O.
    """

    vocab_size: Annotated[int, Interval(ge=4, le=10), "number of tokens V"] = 6
    restarts: Annotated[
        int, Interval(ge=1, le=1000), "random starts of each optimisation; all are in the table"
    ] = 4
    iterations: Annotated[int, Interval(ge=1, le=10**6), "most steps of one descent (L-BFGS)"] = 500
    doublings: Annotated[
        int,
        Interval(ge=1, le=10),
        "doublings of the budget, from 1; each descent starts where the one before ended",
    ] = 6

    def run(
        self, rng: np.random.Generator, log: Callable[[str], None] = lambda message: None
    ) -> pd.DataFrame:
        """One row per part, attention, width, restart and budget.

        `kl` (nats) or `imbalance` (nats at x = 1) is what was found, `floor` its lower bound;
        `gradient` is the largest component at the end, of the KL or of the penalised log imbalance.
        For KL: that of the `untrained` model and, for the embedding, the limit of the `block`
        solution. For balance: `size` is the N that was used, at which the floor and the imbalance
        of `chains` (see `get_chains`) are taken.
        """
        rows: list[dict] = []
        for part, measure in (
            ("embedding", self._kl),
            ("values", self._kl),
            ("balance", self._balance),
        ):
            rows += measure(part, rng)
            log(part)
        return pd.DataFrame(rows).assign(vocab_size=self.vocab_size)

    def _kl(self, part: str, rng: np.random.Generator) -> Iterator[dict]:
        V, loss = self.vocab_size, MeanKl(self.vocab_size)
        for width in range(1, 2 * V + 1):
            if part == "embedding":
                d, floors = width, kl_floor_by_length(V, LENGTHS, width=width)
            else:
                d, floors = 2 * V, kl_floor_by_length(V, LENGTHS, d_v=width)
            has_block = part == "embedding" and width < V - 1
            block = block_limits(V, LENGTHS, width)[1].mean() if has_block else np.nan
            shapes = [(V, d), (d, width), (width, d), (d, V)]
            best, best_kl = [], np.inf  # with uniform attention
            for attention in ("uniform", "free"):
                more = [(V, V)] if attention == "free" else []
                starts = [
                    [rng.standard_normal(shape) / shape[0] ** 0.5 for shape in shapes + more]
                    for _ in range(self.restarts)
                ]
                starts += [[*best, np.zeros(shape)] for shape in more]
                for restart, start in enumerate(starts):
                    found, kl, ending = minimise(loss, start, self.iterations, SOLVED)
                    if attention == "uniform" and kl < best_kl:
                        best, best_kl = found, kl
                    yield ending | {
                        "part": part,
                        "attention": attention,
                        "width": width,
                        "restart": restart,
                        "kl": kl,
                        "floor": floors.mean(),
                        "untrained": untrained_kl(V, LENGTHS).mean(),
                        "block": block,
                    }

    def _balance(self, part: str, rng: np.random.Generator) -> Iterator[dict]:
        n = self.vocab_size - 1
        for width in range(n, 2 * n + 1):
            for restart in range(self.restarts):
                found = [rng.standard_normal(shape) / n**0.5 for shape in ((n, width), (width, n))]
                for budget in 2.0 ** np.arange(1, self.doublings + 1):
                    loss = LogImbalance(budget)
                    found, _, ending = minimise(loss, found, self.iterations)
                    parameters = loss.parameters(*found)
                    size = _norm(parameters.W_V @ parameters.W_O)
                    yield ending | {
                        "part": part,
                        "attention": "uniform",
                        "width": width,
                        "restart": restart,
                        "budget": budget,
                        "size": size,
                        "imbalance": imbalance(parameters),
                        "floor": imbalance_floor(self.vocab_size, width, size),
                        "chains": imbalance(get_chains(self.vocab_size, width, size)),
                    }


def minimise(
    loss: Loss, start: Arrays, iterations: int, enough: float = -np.inf
) -> tuple[list[np.ndarray], float, dict]:
    """Descend from `start` until the loss is below `enough` or makes no more progress.

    Returns:
        the arrays, their loss, and the number of iterations and largest gradient at the end.
    """
    ends = np.cumsum([array.size for array in start])[:-1]

    def split(flat: np.ndarray) -> list[np.ndarray]:
        parts = np.split(flat, ends)
        return [part.reshape(array.shape) for part, array in zip(parts, start, strict=True)]

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradients = loss(*split(flat))
        return value, np.concatenate([gradient.ravel() for gradient in gradients])

    def stop(intermediate_result):
        if intermediate_result.fun <= enough:
            raise StopIteration

    found = scipy.optimize.minimize(
        evaluate,
        np.concatenate([array.ravel() for array in start]),
        jac=True,
        method="L-BFGS-B",
        callback=stop,
        options={"maxiter": iterations, "maxfun": 2 * iterations + 20, "maxcor": 20, "ftol": 0.0}
        | {"gtol": 1e-9},
    )
    ending = {"iterations": found.nit, "gradient": np.abs(found.jac).max()}
    return split(found.x), float(found.fun), ending


class MeanKl:
    """KL (nats) of weights and, if given, attention scores (V, V), with gradients; length-averaged.

    Mean over all contexts of each length, then over the lengths 1 and 2.
    """

    def __init__(self, vocab_size: int):
        self.members, last = all_contexts(vocab_size, LENGTHS)
        self.is_last = np.eye(vocab_size)[last]
        size = self.members.sum(axis=1)
        self.share = 1 / (len(LENGTHS) * np.bincount(size)[size])  # of each context in the mean
        self.target = ~self.members / (vocab_size - size)[:, None]
        self.target_entropy = np.log(vocab_size - size)

    def __call__(
        self,
        W_E: np.ndarray,
        W_V: np.ndarray,
        W_O: np.ndarray,
        W_U: np.ndarray,
        scores: np.ndarray | None = None,
    ) -> tuple[float, list[np.ndarray]]:
        moved = W_E @ W_V @ W_O  # (V, d) by each token when attended
        ov = moved @ W_U
        attention = self.members * 1.0
        if scores is not None:
            attention *= self.is_last @ np.exp(scores - scores.max(axis=1, keepdims=True))
        attention /= attention.sum(axis=1, keepdims=True)
        logits = attention @ ov + self.is_last @ (W_E @ W_U)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1)
        kl = np.log(total) - (self.target * logits).sum(axis=1) - self.target_entropy

        to_logits = (p / total[:, None] - self.target) * self.share[:, None]
        to_ov, to_direct = attention.T @ to_logits, self.is_last.T @ to_logits
        to_head = W_E.T @ to_ov @ W_U.T  # of W_V W_O
        gradients = [
            to_direct @ W_U.T + to_ov @ (W_V @ W_O @ W_U).T,
            to_head @ W_O.T,
            W_V.T @ to_head,
            W_E.T @ to_direct + moved.T @ to_ov,
        ]
        if scores is not None:
            to_attention = to_logits @ ov.T
            mean = (attention * to_attention).sum(axis=1, keepdims=True)
            gradients.append(self.is_last.T @ (attention * (to_attention - mean)))
        return float(self.share @ kl), gradients


# Balance. With H from `helmert`, any model with D = −xP is HᵀW_E = e, W_U H = u, e W u = −xI, up to
# what balance does not see. Rotate the residual stream so that e = [S 0]: then only the first n
# rows w (n, d) of W = W_V W_O matter, S = −x(wu)⁻¹, and w and u are free.


def imbalance(parameters: Parameters) -> float:
    """‖PBP‖_F/√(V−1): how far a model with D = −xP is from balance; |β| if B = −βP.

    In every context the logits differ from those of the balanced model by the row B[ℓ]; this is
    its root mean square length over all contexts of any length, times √(V/(V−1)).
    """
    P = centering(len(parameters.W_E))
    return float(np.linalg.norm(P @ direct_path(parameters) @ P) / (len(P) - 1) ** 0.5)


class LogImbalance:
    """ln(imbalance²) of w/N (n, d) and u (d, n) at x = 1, plus penalties, with gradients.

    Penalised are log norms in excess of the budget: N for w, 1 for u and S.
    """

    def __init__(self, budget: float):
        self.budget = budget

    def __call__(self, w: np.ndarray, u: np.ndarray) -> tuple[float, list[np.ndarray]]:
        n = len(w)
        S = -np.linalg.inv(self.budget * w @ u)
        direct = S @ u[:n]
        square = (direct**2).sum() / n + 1e-30  # rounding is as good as zero
        to_direct = 2 * direct / (n * square)
        norms = [_log_norm(matrix) for matrix in (S, u, w)]
        value = np.log(square) + PENALTY * sum(max(0.0, norm) ** 2 for norm, _ in norms)
        to_S, to_u, to_w = (2 * PENALTY * max(0.0, norm) * slope for norm, slope in norms)

        to_S += to_direct @ u[:n].T
        to_u[:n] += S.T @ to_direct
        to_product = self.budget * S.T @ to_S @ S.T  # of wu: d(A⁻¹) = −A⁻¹ dA A⁻¹
        return value, [to_w + to_product @ u.T, to_u + w.T @ to_product]

    def parameters(self, w: np.ndarray, u: np.ndarray) -> Parameters:
        """The model, D = −P exactly, scaled so that ‖W_E‖, ‖W_U‖ <= 1 hold exactly too."""
        n, d = w.shape
        S = -np.linalg.inv(self.budget * w @ u)
        for_S, for_u = max(1.0, _norm(S)), max(1.0, _norm(u))
        H, first, none = helmert(n + 1), np.eye(d, n), np.zeros((d, 0))
        W_O = for_S * for_u * self.budget * w
        return Parameters(H @ (S / for_S) @ first.T, none, none, first, W_O, u / for_u @ H.T)


def _norm(matrix: np.ndarray) -> float:
    return float(np.linalg.norm(matrix, 2))


def _log_norm(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """ln of the Schatten norm (Σσ^p)^(1/p), which is at least the operator norm; its gradient."""
    left, sigma, right = np.linalg.svd(matrix, full_matrices=False)
    relative = sigma / sigma[0]
    total = (relative**POWER).sum()
    slope = relative ** (POWER - 1) / (sigma[0] * total)
    return float(np.log(sigma[0]) + np.log(total) / POWER), left * slope @ right
