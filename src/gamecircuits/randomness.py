"""The only source of randomness: a stream for every (seed, name, number), independent of others."""

import hashlib

import numpy as np


def get_rng(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """Generator that depends on nothing but its arguments."""
    stable_hash = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stable_hash, number)))
