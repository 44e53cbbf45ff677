"""Stage: what a model does on a game, and what theory says of it."""

from gamecircuits.analysis.diagnosis import diagnose_on
from gamecircuits.games.game import make_game
from gamecircuits.pipeline.run.progress import log
from gamecircuits.randomness import get_rng
from gamecircuits.storage.tables import write_frame
from gamecircuits.transformer.weights import read_model


def diagnose_model(
    model: str, paths: list[str], *, job: str, name: str, seed: int, game: dict, game_name: str
) -> None:
    """Diagnose one model on one game."""
    rng = get_rng(seed, f"diagnosis of {name}")
    table = diagnose_on(make_game(**game), read_model(model), rng, log)
    table.insert(0, "model", name)
    table.insert(1, "game", game_name)
    write_frame(table, job, *paths)
