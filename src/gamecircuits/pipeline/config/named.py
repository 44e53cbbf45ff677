"""What a checked configuration holds: games, models, evaluations and other entries by name."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gamecircuits.experiments.experiment import Experiment
from gamecircuits.games.game import Game
from gamecircuits.pipeline.config.entries import ClaimsEntry, SearchEntry
from gamecircuits.training.trial import Trial

Origin = Literal["construction", "trial", "file"]


@dataclass(frozen=True)
class NamedGame:
    name: str
    kind: str
    settings: dict  # kind and constructor arguments: what its masks depend on
    game: Game
    num_games: int
    games_per_shard: int
    splits: dict[str, float]  # shares of SPLITS

    @property
    def shards(self) -> list[str]:
        return [f"shard-{n:05d}" for n in range(-(-self.num_games // self.games_per_shard))]

    def games_in_shard(self, shard: int) -> int:
        return min(self.games_per_shard, self.num_games - shard * self.games_per_shard)


@dataclass(frozen=True)
class NamedModel:
    """A model, and where its weights come from.

    `settings` say all that they depend on beside the code: kind and arguments of a construction;
    search, variant, number and average of a trial; path and sha256 of a file.
    """

    name: str
    kind: str
    settings: dict
    vocab_size: int
    origin: Origin
    figures: bool  # whether it is diagnosed and drawn
    game: NamedGame | None = None  # that it is made for, if that is known
    is_one_layer: bool = True  # of which the theory speaks, and all contexts can be evaluated
    num_sublayers: int = 1  # attentions and MLPs
    context: int | None = None  # longest prefix that it takes (tokens); None is no limit
    trained_length: int | None = None  # longest prefix in training, of a file that says so


@dataclass(frozen=True)
class NamedEvaluation:
    name: str
    game: NamedGame
    models: tuple[NamedModel, ...]
    contexts: str
    lengths: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class NamedAudit:
    name: str
    game: NamedGame
    models: tuple[NamedModel, ...]
    fit_games: int
    test_games: int


@dataclass(frozen=True)
class NamedExperiment:
    name: str
    kind: str
    settings: dict
    experiment: Experiment


@dataclass(frozen=True)
class NamedSearch:
    name: str
    game: NamedGame
    entry: SearchEntry
    trials: dict[tuple[str, int], Trial]  # by (variant, number)
    groups: dict[str, list[tuple[str, int]]]  # trials by group; each group is a job

    @property
    def levels(self) -> dict[str, list[str]]:
        """Levels of each factor of the grid, in order; none without a grid."""
        return {factor: list(levels) for factor, levels in self.entry.grid.items()}

    def count_products(self, trial: Trial) -> int:
        """Multiplications that a token's prediction takes, about; what times are estimated by."""
        return trial.count_products(self.game.game.vocab_size, self.game.game.max_length)

    def group_of(self, variant: str, number: int) -> str:
        """Name of the group that a trial is trained in."""
        return self._group_of[variant, number]

    @cached_property
    def _group_of(self) -> dict[tuple[str, int], str]:
        return {key: name for name, keys in self.groups.items() for key in keys}


@dataclass(frozen=True)
class NamedHypothesis:
    """A hypothesis; `settings` are what training.hypotheses.judge_hypotheses asks for."""

    name: str
    search: NamedSearch
    settings: dict


@dataclass(frozen=True)
class Config:
    seed: int
    results: str
    games: dict[str, NamedGame]
    models: dict[str, NamedModel]
    evaluations: dict[str, NamedEvaluation]
    audits: dict[str, NamedAudit]
    experiments: dict[str, NamedExperiment]
    searches: dict[str, NamedSearch]
    hypotheses: dict[str, NamedHypothesis]
    claims: ClaimsEntry | None
    raw: dict  # as read, for the report

    def find_trained_length(self, model: NamedModel) -> int | None:
        """Longest prefix that a model met in training (tokens); None if that is not known."""
        if model.origin == "trial":
            return self.searches[model.settings["search"]].entry.length
        return model.trained_length

    def find_game(self, model: NamedModel) -> NamedGame | None:
        """The game that a model is diagnosed on; None is set complement.

        It is the one the model is made for, if that is known. Else it is set complement if the
        model is evaluated there or nowhere, and the first game that it is evaluated on if not.
        """
        evaluated = [
            evaluation.game
            for evaluation in self.evaluations.values()
            if model.name in {other.name for other in evaluation.models}
        ]
        games = [model.game] if model.game else evaluated
        is_complement = not games or "set_complement" in {game.kind for game in games}
        return None if is_complement else games[0]
