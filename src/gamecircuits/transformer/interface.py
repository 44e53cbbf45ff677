"""The interface of a model: next-token logits after every prefix.

Metrics, predictions and the comparison of trained models ask for no more, so they take any model.
`gamecircuits.transformer.one_layer` is the model that the theory is about.
"""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Model(Protocol):
    """Anything that turns prefixes of tokens into next-token logits."""

    @property
    def vocab_size(self) -> int:
        """V; tokens are 0..V−1."""
        ...

    def logits(self, tokens: Any) -> Any:
        """Next-token logits (..., L, V) after every prefix of `tokens`, integers (..., L).

        Rows may end in padding (−1). It changes no logits before it; logits there mean nothing.
        """
        ...
