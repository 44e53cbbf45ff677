"""Stage: the weights of a model from a file that something else wrote, or a function in one."""

from typing import Any

from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import make_game
from gamecircuits.storage.files import file_digest
from gamecircuits.transformer.foreign import read_any_model
from gamecircuits.transformer.function import make_own_model
from gamecircuits.transformer.vocabulary import adapt_vocabulary
from gamecircuits.transformer.weights import write_model


def import_model(
    model: str,
    *,
    job: str,
    kind: str,
    path: str,
    sha256: str,
    function: str | None = None,
    vocab_size: int = 0,
    arguments: dict[str, Any] | None = None,
    num_heads: int | None = None,
    norm: str | None = None,
    vocabulary: str | None = None,
    transposed: bool = False,
    game: dict[str, Any] | None = None,
) -> None:
    """Write the model under our names; its file must be the one that the plan saw.

    Args:
        function: of a Python file, which returns the weights.
        vocab_size, arguments: what it is given.
        num_heads, norm: what the weights of other files do not tell.
        vocabulary, transposed, game: how the file's tokens become those of this game.
    """
    if function:
        own = make_own_model(path, function, sha256, vocab_size, arguments or {})
        return write_model(model, own, job)
    if file_digest(path) != sha256:
        raise GamecircuitsError(f"{path} was changed after this job was planned; run again")
    read = read_any_model(path, num_heads, norm)
    if game and vocabulary:
        read = adapt_vocabulary(read, make_game(**game), vocabulary, is_transposed=transposed)
    write_model(model, read, job)
