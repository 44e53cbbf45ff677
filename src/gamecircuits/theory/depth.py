"""What holds at any depth: paths through layers, and what a norm leaves (section 11)."""

import numpy as np

from gamecircuits.theory.basics import check, require
from gamecircuits.theory.displacement import Displacements
from gamecircuits.theory.laws import kl_divergence


def twice_averaged_weights(length: int) -> np.ndarray:
    """(H_n − H_{j−1})/n for the j-th of n tokens, (n,): two uniform heads in a row (Prop. 32)."""
    shares = 1 / np.arange(1, length + 1)
    return np.cumsum(shares[::-1])[::-1] / length


def largest_weight(score_range: np.ndarray | float, length: np.ndarray | int) -> np.ndarray:
    """e^R/(e^R + n − 1): most that one of n tokens gets if scores differ by at most R (Prop. 34).

    Args:
        score_range: R, nats.
    """
    require(np.asarray(score_range) >= 0, "a range of scores is not negative")
    return 1 / (1 + (np.asarray(length) - 1) * np.exp(-np.asarray(score_range, dtype=float)))


def score_range(
    W_Q: np.ndarray, W_K: np.ndarray, b_Q: np.ndarray, norm_w: np.ndarray, norm_b: np.ndarray
) -> float:
    """R of a head behind a norm, nats: 2ρ(ρ‖W_Q W_Kᵀ‖ + ‖b_Q W_Kᵀ‖)/√d_k (Prop. 34).

    Args:
        W_Q, W_K: of one head (d, d_k). b_Q: (d_k,); a bias of the keys cancels.
        norm_w, norm_b: gain and bias of the norm (d,).
    """
    d, d_k = W_Q.shape
    longest = np.sqrt(d) * np.abs(norm_w).max() + np.linalg.norm(norm_b)  # ρ
    query = longest * np.linalg.norm(W_Q @ W_K.T, 2) + np.linalg.norm(b_Q @ W_K.T)
    return float(2 * longest * query / max(d_k, 1) ** 0.5)


def largest_path_weights(score_range: float, length: int, num_heads: int) -> np.ndarray:
    """e^(KR) times the weights of K uniform heads in a row: most that K heads give (Prop. 34).

    Returns:
        (n, n), row s the weights of the tokens 1..s+1; of K uniform heads they are at most
        H_s^(K−1)/s.
    """
    uniform = np.tri(length) / np.arange(1, length + 1)[:, None]
    return np.exp(num_heads * score_range) * np.linalg.matrix_power(uniform, num_heads)


def largest_mean_gap(vocab_size: int, lengths: np.ndarray, size: float) -> np.ndarray:
    """Δ* = size · √(V/((V−1) s (V−s))), the mean gap of any model with a final norm (Prop. 35).

    Args:
        size: √d ‖UP‖, the Frobenius norm of the unembedding after the norm's gain, centred.
    """
    check(vocab_size, lengths)
    s, V = np.asarray(lengths, dtype=float), vocab_size
    return size * np.sqrt(V / ((V - 1) * s * (V - s)))


def final_norm_kl_floor(vocab_size: int, lengths: np.ndarray, size: float) -> np.ndarray:
    """ln(1 + s e^(−Δ*)/(V−s)): least mean KL at each length, at any depth (Prop. 35)."""
    gap = largest_mean_gap(vocab_size, lengths, size)
    return kl_divergence(vocab_size, lengths, Displacements(gap, gap))
