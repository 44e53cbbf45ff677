"""Too narrow for all tokens: superposition, all tokens handled a little, with noise."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import scipy
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.parameters import VocabSize
from gamecircuits.theory.basics import decompose_off_diagonal
from gamecircuits.theory.laws import Law, attention_entropy
from gamecircuits.theory.superposition import frame_kl_bound
from gamecircuits.transformer.constructions.construction import (
    Construction,
    Strength,
    helmert,
    place,
)
from gamecircuits.transformer.model import Parameters


def get_frame(vocab_size: int, d: int, kind: str, seed: int = 0) -> np.ndarray:
    """V unit vectors (V, d): random signs/√d, or equiangular ones.

    Equiangular: the simplex for d = V−1; for d = V/2, where V−1 is a prime that leaves 1 when
    divided by 4, the eigenspace of Paley's conference matrix C (C² = (V−1)I): G = I + C/√(V−1) is
    twice a projector of rank V/2, with ±1/√(V−1) off the diagonal, which meets the Welch bound.
    """
    if kind == "random_signs":
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(vocab_size, d)))
        return rng.choice([-1.0, 1.0], size=(vocab_size, d)) / np.sqrt(d)
    if d == vocab_size - 1:
        H = helmert(vocab_size)
        return H / np.linalg.norm(H, axis=1, keepdims=True)
    q = vocab_size - 1
    gram = np.eye(vocab_size) + _paley(q) / np.sqrt(q)
    values, vectors = np.linalg.eigh(gram)
    return vectors[:, values > 1] * np.sqrt(values[values > 1])


def _paley(q: int) -> np.ndarray:
    """Symmetric conference matrix (q+1, q+1) of a prime q ≡ 1 mod 4."""
    squares = {k * k % q for k in range(1, q)}
    symbol = np.array([0] + [1 if k in squares else -1 for k in range(1, q)])
    conference = np.ones((q + 1, q + 1))
    conference[0, 0] = 0
    conference[1:, 1:] = symbol[(np.arange(q)[:, None] - np.arange(q)) % q]
    return conference


def has_equiangular(vocab_size: int, d: int) -> bool:
    """Whether `get_frame` knows an equiangular tight frame of this size."""
    q = vocab_size - 1
    is_prime = q > 1 and all(q % k for k in range(2, int(q**0.5) + 1))
    return d == q or (2 * d == vocab_size and is_prime and q % 4 == 1)


@dataclass(frozen=True)
class Frame(Construction):
    """Tokens as V unit vectors F[t] in m < V dimensions: OV circuit −x FFᵀ, no direct path.

        W_E = [F 0]   W_V = [I; 0]   W_O = [0 −xI]   W_U = [0; Fᵀ]   (W_Q, W_K without columns)

    Each token is pushed down by x/s, and every other one moves by x/s times an inner product: noise
    on the absent logits, of size xμ at worst, with μ the largest inner product. Theory gives the
    mean displacement exactly (Theorem 22: x(1−ḡ)/s, ḡ the mean inner product), the mean variance
    of the absent logits exactly (Prop. 20c), and bounds on total variation and KL (Prop. 20a, b).
    d = 2m, d_v = m, d_k = 0.
    """

    vocab_size: VocabSize
    d_v: Annotated[
        int | None, Interval(ge=1, le=4096), "dimensions m that the tokens share; V // 2 by default"
    ] = None
    frame: Annotated[
        Literal["random_signs", "equiangular"],
        "unit vectors: random signs, or equiangular ones (d_v = V−1, or V/2 where V−1 is a prime "
        "1 mod 4)",
    ] = "random_signs"
    seed: Annotated[int, Interval(ge=0, lt=2**63), "seed of the random signs"] = 0
    x: Annotated[
        Strength | None, "by default the best for the bound of Prop. 20b at length V // 2"
    ] = None

    def __post_init__(self):
        super().__post_init__()
        if self.frame == "equiangular" and not has_equiangular(self.vocab_size, self.width):
            allowed = (
                f"{self.vocab_size - 1}, or half of vocab_size = 6, 14, 18, 30, 38, 42 ... for an "
                "equiangular frame"
            )
            raise ParameterError("d_v", self.width, allowed)

    @property
    def width(self) -> int:
        return self.vocab_size // 2 if self.d_v is None else self.d_v

    @property
    def strength(self) -> float:
        if self.x is not None:
            return self.x
        V, lengths = self.vocab_size, np.array([max(1, self.vocab_size // 2)])
        best = scipy.optimize.minimize_scalar(
            lambda log_x: frame_kl_bound(V, lengths, np.exp(log_x), self.width)[0],
            bounds=(-5, 12),
            method="bounded",
        )
        return float(np.exp(best.x))

    def vectors(self) -> np.ndarray:
        """F (V, m), unit rows."""
        return get_frame(self.vocab_size, self.width, self.frame, self.seed)

    def parameters(self) -> Parameters:
        F, m = self.vectors(), self.width
        V, d, identity = self.vocab_size, 2 * m, np.eye(m)
        return Parameters(
            W_E=place(F, (V, d), (0, 0)),
            W_Q=np.zeros((d, 0)),
            W_K=np.zeros((d, 0)),
            W_V=place(identity, (d, m), (0, 0)),
            W_O=place(-self.strength * identity, (m, d), (0, m)),
            W_U=place(F.T, (d, V), (m, 0)),
        )

    def closed_form(self, lengths: np.ndarray) -> dict[str, Law]:
        """Mean displacement and entropy of attention; the rest has bounds only."""
        F = self.vectors()
        mean_product = decompose_off_diagonal(F @ F.T).row.mean()
        mean = self.strength * (1 - mean_product) / np.asarray(lengths, dtype=float)
        entropy = attention_entropy(self.vocab_size, lengths)
        nothing = np.full(len(lengths), np.nan)
        return {
            "displacement": Law(mean, nothing, nothing),
            "attention_entropy": Law(entropy, entropy, entropy),
        }
