"""From the values of a configuration to typed objects; all problems are reported at once."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from pydantic import BaseModel

from gamecircuits.analysis.contexts import MAX_EXHAUSTIVE_VOCAB_SIZE, MAX_ORBITS
from gamecircuits.errors import GamecircuitsError, ParameterError
from gamecircuits.experiments.experiment import EXPERIMENTS
from gamecircuits.games.file import File
from gamecircuits.games.game import GAMES, Game, check_size
from gamecircuits.kinds import Registry, list_modules, list_names, suggest
from gamecircuits.pipeline.config.entries import (
    MAX_GROUPS,
    MAX_SHARDS,
    OTHER_MODELS,
    AuditEntry,
    AverageEntry,
    EvaluationEntry,
    ExperimentEntry,
    FileEntry,
    GameEntry,
    HypothesisEntry,
    ModelEntry,
    SearchEntry,
    TopLevel,
    TrainedEntry,
    entry_model,
)
from gamecircuits.pipeline.config.limits import MAX_MEMORY, explain_missing_games, list_needs
from gamecircuits.pipeline.config.named import (
    Config,
    NamedAudit,
    NamedEvaluation,
    NamedExperiment,
    NamedGame,
    NamedHypothesis,
    NamedModel,
    NamedSearch,
)
from gamecircuits.pipeline.config.problems import IN_NAME, NAME, Problems
from gamecircuits.pipeline.config.results import explain_refusal
from gamecircuits.pipeline.config.weights_file import read_weights_file
from gamecircuits.pipeline.config.yaml_lines import KeyPath, Source
from gamecircuits.storage.functions import check_arguments, find_function
from gamecircuits.training.averaging import AVERAGES, make_average
from gamecircuits.training.choices import AS_TRAINED, COMPARED
from gamecircuits.training.grid import ALL, expand_grid, find_variants
from gamecircuits.training.mechanisms import QUANTITIES
from gamecircuits.training.trial import (
    ARCHITECTURES,
    Trial,
    check_space,
    draw_trial,
    get_hyperparameters,
    group_trials,
    has_range,
)
from gamecircuits.transformer.constructions.construction import CONSTRUCTIONS
from gamecircuits.transformer.describe import count_sublayers, get_context
from gamecircuits.transformer.one_layer import OneLayer

OF_WEIGHTS = ("num_heads", "norm", "vocabulary", "transposed")  # keys of files, but not of code
LEVEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,29}")  # of factors in a grid
MAX_VARIANTS = 200  # of a grid
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}")  # of variants and averages: ema_0.99
START = "start"  # in place of an average: the weights before training


def check_config(source: Source) -> Config:
    """Return the configuration that the values describe, or raise ConfigError with every problem.

    Every section is checked even if one before it has problems; what cannot be checked without an
    entry that has a problem of its own is left out.
    """
    checker = _Checker(source)
    if not isinstance(source.values, Mapping):
        known = ", ".join(TopLevel.model_fields)
        checker.report((), f"must hold keys at the top level: {known}", source.values)
        raise checker.error()
    top = checker.top = checker.fit(TopLevel, source.values, ())
    if top and (reason := explain_refusal(top.results)):
        checker.report(("results",), reason, top.results)
    made = {
        "games": checker.read("games", checker.make_game),
        "searches": checker.read("searches", checker.make_search),
        "models": checker.read("models", checker.make_model),
        "evaluations": checker.read("evaluations", checker.make_evaluation),
        "audits": checker.read("audits", checker.make_audit),
        "experiments": checker.read("experiments", checker.make_experiment),
        "hypotheses": checker.read("hypotheses", checker.make_hypothesis),
    }
    if checker.problems:
        raise checker.error()
    results = os.path.normpath(top.results)
    return Config(top.seed, results, claims=top.claims, raw=dict(source.values), **made)


class _Checker(Problems):
    """The methods `make_*` return what an entry describes, or None after they have reported a
    problem.
    """

    # Sections.

    def make_kind(
        self, section: str, name: str, value: Any, registry: Registry, base: type[BaseModel]
    ) -> Any:
        """(entry, instance, settings) of an entry with a kind, None if there is a problem."""
        path = (section, name)
        others = OTHER_MODELS if base is ModelEntry else {}
        kinds = sorted([*registry.kinds(), *others])
        if not isinstance(value, Mapping):
            return self.report(path, "must be a mapping of keys to values", value)
        if "kind" not in value:
            return self.report(path, f"the key 'kind' is missing; allowed: {', '.join(kinds)}")
        kind = value["kind"]
        if kind not in kinds:
            message = f"allowed: {', '.join(kinds)}{suggest(kind, kinds)}"
            return self.report((*path, "kind"), message, kind)
        if kind in others:
            entry = self.fit(others[kind], value, path)
            return entry and (entry, None, {})
        try:
            model = entry_model(registry.type(kind), base, kind)
        except GamecircuitsError as error:
            return self.report((*path, "kind"), str(error), kind)
        entry = self.fit(model, value, path)
        if entry is None:
            return None
        names = [key for key in model.model_fields if key not in base.model_fields]
        arguments = {key: getattr(entry, key) for key in names}
        try:
            instance = registry.make(kind, **arguments)
        except ParameterError as error:
            return self.report_parameter(path, error)
        except GamecircuitsError as error:
            return self.report(path, str(error))
        return entry, instance, {"kind": kind, **arguments}

    def make_game(self, name: str, value: Any) -> NamedGame | None:
        made = self.make_kind("games", name, value, GAMES, GameEntry)
        if not made:
            return None
        entry, game, settings = made
        if (count := -(-entry.num_games // entry.games_per_shard)) > MAX_SHARDS:
            message = f"makes {count:,} shards of the games; at most {MAX_SHARDS:,} are possible"
            self.report(("games", name, "games_per_shard"), message, entry.games_per_shard)
        try:
            check_size(game)
        except ParameterError as error:
            self.report_parameter(("games", name), error)
            return None
        if isinstance(game, File):
            settings["sha256"] = game.sha256  # another content, another job
        size = (entry.num_games, entry.games_per_shard)
        return NamedGame(name, entry.kind, settings, game, *size, entry.splits.model_dump())

    def make_search(self, name: str, value: Any) -> NamedSearch | None:
        path, before = ("searches", name), len(self.problems)
        entry = self.fit(SearchEntry, value, path)
        if not entry:
            return None
        named = self.find((*path, "game"), entry.game, "game", "games")
        if named and entry.length >= named.game.max_length > 1:
            message = f"allowed: 1 to {named.game.max_length - 1}, so that a token follows"
            self.report((*path, "length"), message, entry.length)
        if named and not all(named.splits.values()):
            self.report((*path, "game"), "needs games of all three splits", entry.game)
        elif named and self.top:
            reason = explain_missing_games(named, entry.data, self.top.seed)
            if reason:
                self.report((*path, "game"), reason, entry.game)
        if entry.steps % entry.checkpoints:
            is_default = "checkpoints" not in entry.model_fields_set
            message = f"must divide steps = {entry.steps}" + " (it is the default)" * is_default
            self.report((*path, "checkpoints"), message, entry.checkpoints)
        known = ARCHITECTURES.kinds()
        self.look_up((*path, "architecture"), entry.architecture, "architecture", known)
        if entry.architecture not in known:
            return None
        entry = self._expand_grid((*path, "grid"), entry)
        self._check_space((*path, "space"), entry.space, entry.architecture)
        for variant, values in entry.variants.items():
            if not entry.grid:
                at = (*path, "variants", variant)
                self._check_space(at, values, entry.architecture, is_variant=True)
        for average, values in entry.averages.items():
            at, kind = (*path, "averages", average), values.get("kind")
            if kind is None:
                self.report(at, f"the key 'kind' is missing; allowed: {', '.join(AVERAGES)}")
                continue
            if kind in list(AVERAGES):  # what is no text is not in it, either
                model = entry_model(AVERAGES[kind], AverageEntry, kind)
                if self.fit(model, values, at) is None:
                    continue
            try:
                made = make_average(**values)
                every = getattr(made, "every", 1)
                if entry.steps % every:
                    raise ParameterError("every", every, f"what divides steps = {entry.steps}")
            except ParameterError as error:
                self.report_parameter(at, error)
        named_here = {} if entry.grid else entry.variants
        for section, names in (("variants", named_here), ("averages", entry.averages)):
            self.check_names((*path, section), names, LABEL, "59 letters, digits, _ and .")
        if START in entry.averages:
            message = "means the weights before training; choose another name"
            self.report((*path, "averages", START), message)
        if self.top is None or named is None or len(self.problems) > before:
            return None
        trials = self._draw_trials(name, entry, self.top.seed)
        if trials is None:
            return None
        search = NamedSearch(name, named, entry, trials, group_trials(trials, entry.trials_per_job))
        if (count := len(search.groups)) > MAX_GROUPS:
            message = f"makes {count:,} jobs; at most {MAX_GROUPS:,} are possible"
            self.report((*path, "trials_per_job"), message, entry.trials_per_job)
        largest = {need.key: need for need in sorted(list_needs(search), key=lambda n: n.size)}
        for key, size, holds in largest.values():
            if size > MAX_MEMORY:
                message = f"a job needs {size / 2**30:,.1f} GiB of memory for {holds}"
                allowed = f"allowed: {MAX_MEMORY >> 30} GiB"
                self.report((*path, key), f"{message}; {allowed}", getattr(entry, key))
        return search

    def _expand_grid(self, path: KeyPath, entry: SearchEntry) -> SearchEntry:
        """The entry with a variant for each combination of the levels of its grid."""
        if not entry.grid:
            return entry
        before = len(self.problems)
        if "variants" in entry.model_fields_set:
            message = "takes the place of variants; leave one of the two out"
            self.report(path, message)
        self.check_names(path, entry.grid, NAME, IN_NAME)
        seen: dict[str, str] = {}  # factor by level
        for factor, levels in entry.grid.items():
            at = (*path, factor)
            self.check_names(at, levels, LEVEL, "29 letters, digits and _")
            if len(levels) < 2:
                self.report(at, "needs at least two levels")
            own = {key for values in levels.values() for key in values}
            for level, values in levels.items():
                if level == ALL or level in seen:
                    message = f"is also a level of {seen[level]}" if level in seen else "is taken"
                    self.report((*at, level), f"{message}; choose another name")
                seen[level] = factor
                self._check_space((*at, level), values, entry.architecture, is_variant=True)
            for other in list(entry.grid)[: list(entry.grid).index(factor)]:
                theirs = {key for values in entry.grid[other].values() for key in values}
                if both := own & theirs:
                    self.report(at, f"and {other} set the same: {list_names(sorted(both))}")
        count = prod(map(len, entry.grid.values()))
        if count > MAX_VARIANTS:
            self.report(path, f"makes {count:,} variants; at most {MAX_VARIANTS:,} are possible")
        if len(self.problems) > before:
            return entry
        return entry.model_copy(update={"variants": expand_grid(entry.grid)})

    def _draw_trials(
        self, name: str, entry: SearchEntry, seed: int
    ) -> dict[tuple[str, int], Trial] | None:
        """All trials; None, and the first one reported, if choices of one do not go together."""
        trials = {}
        for variant, values in entry.variants.items():
            for number in range(entry.trials):
                drawn = (entry.space, entry.architecture, seed, name, number, values)
                try:
                    trials[variant, number] = draw_trial(*drawn)
                except ParameterError as error:
                    is_own = error.key in values or (values and error.key not in entry.space)
                    part: KeyPath = ("variants", variant) if is_own else ("space",)
                    if is_own and entry.grid:
                        part = ("grid",)
                    self.report_parameter(("searches", name, *part), error)
                    return None
        return trials

    def _check_space(
        self, path: KeyPath, space: Mapping, architecture: str, is_variant: bool = False
    ) -> None:
        known = get_hyperparameters(architecture)
        for key, choice in space.items():
            others = [k for k in ARCHITECTURES.kinds() if key in get_hyperparameters(k)]
            if key not in known and others:
                message = (
                    f"is of architecture {', '.join(others)}; this search trains {architecture}"
                )
                self.report((*path, key), message)
            elif key not in known:
                self.report_unknown((*path, key), known)
            elif is_variant and isinstance(choice, (list, Mapping)):
                message = "a variant has one value for each of its hyperparameters"
                self.report((*path, key), message, choice)
            else:
                parts = dict(enumerate(choice)) if isinstance(choice, list) else choice
                if isinstance(parts, Mapping) and (has_range(known[key]) or parts is not choice):
                    for part in parts.keys() & {"low", "high", *range(len(parts))}:
                        self._check_hyperparameter(
                            (*path, key, part), key, parts[part], architecture
                        )
                self._check_hyperparameter((*path, key), key, choice, architecture)

    def _check_hyperparameter(
        self, path: KeyPath, key: str, choice: Any, architecture: str
    ) -> None:
        """Report a choice that does not fit, unless a part of it was reported before."""
        if any(place[: len(path)] == path for place, *_ in self.problems):
            return
        try:
            check_space({key: choice}, architecture)
        except ParameterError as error:
            self.report(path, f"allowed: {error.allowed}", error.value)

    def make_model(self, name: str, value: Any) -> NamedModel | None:
        made = self.make_kind("models", name, value, CONSTRUCTIONS, ModelEntry)
        if not made:
            return None
        entry, construction, settings = made
        path = ("models", name, "game")
        game = entry.game and self.find(path, entry.game, "entry of games", "games")
        model: NamedModel | None
        if isinstance(entry, TrainedEntry):
            model = self._find_trial(name, entry)
        elif isinstance(entry, FileEntry):
            is_code = entry.path.endswith(".py")
            model = (
                self._find_function(name, entry) if is_code else self._open_file(name, entry, game)
            )
        else:
            size = construction.vocab_size
            model = NamedModel(name, entry.kind, settings, size, "construction", entry.figures)
        if entry.game is None:
            return model
        if model is None or game is None:
            return None
        self._check_pair(path, model, game, entry.game)
        if game.game.max_length < 2:
            self.report(path, "its games are too short to predict anything", game.name)
        elif model.trained_length and model.trained_length >= game.game.max_length:
            message = f"allowed: 1 to {game.game.max_length - 1}, the prefixes of {game.name}"
            self.report(("models", name, "trained_length"), message, model.trained_length)
        return replace(model, game=game)

    def _check_pair(self, path: KeyPath, model: NamedModel, game: NamedGame, value: str) -> None:
        if model.vocab_size != game.game.vocab_size:
            message = (
                f"the model has vocab_size {model.vocab_size}, "
                f"the game {game.name} has {game.game.vocab_size}; they must be equal"
            )
            self.report(path, message, value)
        longest = game.game.max_length - 1  # the last token is never seen
        if model.context is not None and longest > model.context:
            message = (
                f"the model has positions for {model.context} tokens, the game {game.name} has"
            )
            self.report(path, f"{message} prefixes of {longest}", value)

    def _find_trial(self, name: str, entry: TrainedEntry) -> NamedModel | None:
        path = ("models", name)
        search = self.find((*path, "search"), entry.search, "search", "searches")
        if search is None:
            return None
        variants, averages = list(search.entry.variants), list(search.entry.averages)
        variant = variants[0] if entry.variant is None else entry.variant
        average = averages[0] if entry.average is None else entry.average
        self.look_up((*path, "variant"), variant, f"variant of {search.name}", variants)
        self.look_up((*path, "average"), average, f"average of {search.name}", [*averages, START])
        if entry.number >= search.entry.trials:
            message = f"allowed: 0 to {search.entry.trials - 1}, the trials of {search.name}"
            self.report((*path, "number"), message, entry.number)
        settings = entry.model_dump(exclude={"figures", "game"}) | {
            "variant": variant,
            "average": average,
        }
        game, trial = search.game, search.trials.get((variant, entry.number))
        return NamedModel(
            name,
            entry.kind,
            settings,
            game.game.vocab_size,
            "trial",
            entry.figures,
            game,
            is_one_layer=search.entry.architecture == "one_layer",
            num_sublayers=trial.num_sublayers if trial else 1,
            context=game.game.max_length if trial and trial.is_bounded else None,
        )

    def _find_function(self, name: str, entry: FileEntry) -> NamedModel | None:
        """The model of a function, which is looked for and not called."""
        path = ("models", name)
        for key in ("function", "vocab_size"):
            if getattr(entry, key) is None:
                about = FileEntry.model_fields[key].description
                self.report(path, f"the key {key!r} is missing ({about})", at=(*path, key))
        if entry.model_fields_set.intersection(OF_WEIGHTS):
            message = f"{', '.join(OF_WEIGHTS)} are keys of files of weights alone"
            self.report((*path, "path"), message, entry.path)
            return None
        if entry.function is None or entry.vocab_size is None:
            return None
        try:
            check_arguments(entry.arguments)
            digest = find_function(entry.path, entry.function)
        except ParameterError as error:
            self.report_parameter(path, error)
            return None
        except GamecircuitsError as error:
            self.report(path, str(error))
            return None
        of_model = {"figures", "game", "trained_length"}
        settings = entry.model_dump(exclude={*of_model, *OF_WEIGHTS}) | {"sha256": digest}
        return NamedModel(
            name,
            entry.kind,
            settings,
            entry.vocab_size,
            "file",
            entry.figures,
            trained_length=entry.trained_length,
        )

    def _open_file(self, name: str, entry: FileEntry, game: NamedGame | None) -> NamedModel | None:
        if {"function", "vocab_size", "arguments"} & entry.model_fields_set:
            message = "function, vocab_size and arguments are keys of .py files alone"
            self.report(("models", name, "path"), message, entry.path)
            return None
        try:
            model, settings = read_weights_file(entry, game)
        except (GamecircuitsError, OSError) as error:
            # Of a file of ours the error says to delete it and run again, which is no advice here.
            message = f"is damaged ({error.__cause__})" if error.__cause__ else str(error)
            self.report(("models", name, "path"), message, entry.path)
            return None
        return NamedModel(
            name,
            entry.kind,
            settings,
            model.vocab_size,
            "file",
            entry.figures,
            is_one_layer=isinstance(model, OneLayer),
            num_sublayers=count_sublayers(model),
            context=get_context(model),
            trained_length=entry.trained_length,
        )

    def make_evaluation(self, name: str, value: Any) -> NamedEvaluation | None:
        path = ("evaluations", name)
        entry = self.fit(EvaluationEntry, value, path)
        if not entry:
            return None
        game = self.find((*path, "game"), entry.game, "entry of games", "games")
        chosen = self._find_models((*path, "models"), entry.models, game)
        if not game:
            return None
        longest = game.game.max_length - 1  # after the last token there is nothing to predict
        if longest < 1:
            self.report((*path, "game"), "its games are too short to predict anything", game.name)
            return None
        if entry.contexts != "sampled":
            self._check_exhaustive((*path, "contexts"), game, entry.contexts, chosen)
        lengths = range(1, longest + 1) if entry.lengths == "all" else entry.lengths
        for index, length in enumerate(lengths):
            if length > longest:
                message = f"{game.name} has something to predict at lengths 1 to {longest} only"
                self.report((*path, "lengths", index), message, length)
        if not all(chosen):
            return None
        return NamedEvaluation(
            name, game, tuple(chosen), entry.contexts, tuple(lengths), entry.dtype
        )

    def _find_models(
        self, path: KeyPath, names: Sequence[str], game: NamedGame | None
    ) -> list[Any]:
        """A NamedModel for each name, which must go with the game; None for each with a problem."""
        found = []
        for index, wanted in enumerate(names):
            at = (*path, index)
            model = self.find(at, wanted, "entry of models", "models")
            if wanted in names[:index]:
                self.report(at, "is listed twice", wanted)
            if model and game:
                self._check_pair(at, model, game, wanted)
            found.append(model)
        return found

    def make_audit(self, name: str, value: Any) -> NamedAudit | None:
        path = ("audits", name)
        entry = self.fit(AuditEntry, value, path)
        if not entry:
            return None
        game = self.find((*path, "game"), entry.game, "entry of games", "games")
        chosen = self._find_models((*path, "models"), entry.models, game)
        for index, model in enumerate(chosen):
            if model and model.is_one_layer:
                message = "has one layer, which its diagnosis reads; allowed: models of several"
                self.report((*path, "models", index), message, model.name)
        if game and not all(game.splits.values()):
            self.report((*path, "game"), "needs games of all three splits", entry.game)
        if game and type(game.game).get_features is Game.get_features:
            message = f"positions of {game.kind} consist of nothing that a probe could read"
            self.report((*path, "game"), message, entry.game)
        if not game or not all(chosen):
            return None
        return NamedAudit(name, game, tuple(chosen), entry.fit_games, entry.test_games)

    def _check_exhaustive(
        self, path: KeyPath, game: NamedGame, contexts: str, models: list[NamedModel | None]
    ) -> None:
        size = game.game.vocab_size
        for model in filter(None, models):
            if not model.is_one_layer:
                message = f"needs models of one layer, and {model.name} is another"
                self.report(path, f"{message}; allowed: sampled", contexts)
        if game.kind != "set_complement":
            message = f"needs kind set_complement, but {game.name} is {game.kind}"
            self.report(path, f"{message}; allowed: sampled", contexts)
        elif contexts == "all" and size > MAX_EXHAUSTIVE_VOCAB_SIZE:
            message = f"possible up to vocab_size {MAX_EXHAUSTIVE_VOCAB_SIZE}"
            message = f"{message}; {game.name} has {size}; allowed: sampled, orbits"
            self.report(path, message, contexts)
        elif contexts == "orbits" and size * 2**size > MAX_ORBITS:
            for name in (model.name for model in models if model and model.origin == "trial"):
                message = f"{name} is trained and tells its {size} tokens apart, which leaves more "
                message += f"than {MAX_ORBITS:,} kinds of contexts"
                others = "sampled, all" if size <= MAX_EXHAUSTIVE_VOCAB_SIZE else "sampled"
                self.report(path, f"{message}; allowed: {others}", contexts)

    def make_experiment(self, name: str, value: Any) -> NamedExperiment | None:
        made = self.make_kind("experiments", name, value, EXPERIMENTS, ExperimentEntry)
        if not made:
            return None
        entry, experiment, settings = made
        if entry.kind not in list_modules("gamecircuits.figures.experiments"):
            message = f"needs its figure: src/gamecircuits/figures/experiments/{entry.kind}.py"
            self.report(("experiments", name, "kind"), message, entry.kind)
        return NamedExperiment(name, entry.kind, settings, experiment)

    def make_hypothesis(self, name: str, value: Any) -> NamedHypothesis | None:
        path, before = ("hypotheses", name), len(self.problems)
        entry = self.fit(HypothesisEntry, value, path)
        search = entry and self.find((*path, "search"), entry.search, "search", "searches")
        if search is None:
            return None
        is_metric = entry.measure in COMPARED
        if is_metric and entry.length is None:
            self.report(path, f"the key 'length' is missing ({entry.measure} needs it)")
        elif not is_metric:
            known = QUANTITIES[entry.measure].architectures
            if search.entry.architecture not in known:
                message = f"is of architecture {', '.join(known)}; {search.name} trains "
                self.report((*path, "measure"), message + search.entry.architecture, entry.measure)
        for place, part in ((path, entry), ((*path, "versus"), entry.versus)):
            for key in ("average", "length", "strength"):
                if not is_metric and part and getattr(part, key, None) is not None:
                    message = f"only with a metric: {', '.join(COMPARED)}"
                    self.report((*place, key), message, getattr(part, key))
        cell = {
            "variant": next(iter(search.entry.variants)),
            "average": next(iter(search.entry.averages)),
            "strength": AS_TRAINED,
        }
        cell |= entry.model_dump(include=set(cell), exclude_none=True)
        self._check_cell(path, cell, search)
        versus = None
        if entry.versus is not None:
            versus = cell | entry.versus.model_dump(exclude_none=True)
            self._check_cell((*path, "versus"), versus, search)
            if versus == cell:
                self.report((*path, "versus"), "is what it would be subtracted from")
        numbers = self._find_draws((*path, "where"), entry.where, search)
        if len(self.problems) > before:
            return None
        settings = entry.model_dump() | {"name": name, "cell": cell, "versus": versus}
        settings = {key: value for key, value in settings.items() if key not in cell}
        return NamedHypothesis(name, search, settings | {"numbers": numbers})

    def _check_cell(self, path: KeyPath, cell: Mapping[str, str], search: NamedSearch) -> None:
        levels = [level for factor in search.entry.grid.values() for level in factor]
        known = {
            "variant": [*search.entry.variants, *levels],
            "average": list(search.entry.averages),
        }
        for key, names in known.items():
            self.look_up((*path, key), cell[key], f"{key} of {search.name}", names)
        meant = find_variants(cell["variant"], search.levels)
        trials = [trial for (variant, _), trial in search.trials.items() if variant in meant]
        if search.entry.architecture != "one_layer" and cell["strength"] != AS_TRAINED:
            message = f"allowed: {AS_TRAINED}, since {search.name} trains no models of one layer"
            self.report((*path, "strength"), message, cell["strength"])
            return
        norms = {getattr(trial, "norm", "none") for trial in trials}
        if cell["strength"] == "matched" and trials and "none" not in norms:
            message = f"{cell['variant']} has a norm, under which strengths are not matched"
            self.report((*path, "strength"), message, "matched")

    def _find_draws(
        self, path: KeyPath, where: Mapping[str, Any], search: NamedSearch
    ) -> list[int]:
        """Numbers of the draws with these hyperparameters, as the first variant has them."""
        first = next(iter(search.entry.variants))
        known = get_hyperparameters(search.entry.architecture)
        draws = {
            number: trial for (variant, number), trial in search.trials.items() if variant == first
        }
        for key, wanted in where.items():
            if key not in known:
                self.report_unknown((*path, key), known)
                continue
            drawn = dict.fromkeys(getattr(trial, key) for trial in draws.values())
            if wanted not in list(drawn):
                self.report(
                    (*path, key), f"was never drawn; drawn: {list_names(map(str, drawn))}", wanted
                )
            draws = {n: trial for n, trial in draws.items() if getattr(trial, key) == wanted}
        return list(draws)
