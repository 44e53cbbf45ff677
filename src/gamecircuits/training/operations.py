"""The operations of a GPT in the forms that are fast in training."""

import jax.numpy as jnp

from gamecircuits.transformer.gpt import Operations, get_operations


def make_operations(products: str) -> Operations:
    return get_operations(jnp)
