"""Regular languages: the words that a finite automaton, written down in the config, accepts.

A word has exactly `length` tokens and leads from `start` to a state in `accepting`. A token is
legal while that can still be done, so legal tokens depend on the state and on the tokens left.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from annotated_types import Interval

from gamecircuits.errors import ParameterError
from gamecircuits.games._causal_game import Language
from gamecircuits.games.game import MAX_LENGTH, PAD, Feature, label, token_dtype
from gamecircuits.kinds import list_names, suggest

MAX_TABLE = 1 << 26  # length × states × tokens: bytes of the table of legal tokens


@dataclass(frozen=True)
class Regular(Language):
    """Words of one length that a deterministic automaton accepts.

    Parity, an even number of ones:

        alphabet: ["0", "1"]
        transitions: {even: {"0": even, "1": odd}, odd: {"0": odd, "1": even}}
        start: even
        accepting: [even]
        length: 20

    (ab)*, where every second token follows from the last:

        transitions: {outside: {a: inside}, inside: {b: outside}}

    Tomita's fourth language (1982), never three zeros in a row; all states accept:

        transitions:
          none: {"0": one, "1": none}
          one: {"0": two, "1": none}
          two: {"1": none}

    Counting modulo 3; with accepting [n0], the number of a is a multiple of 3:

        transitions: {n0: {a: n1, b: n0}, n1: {a: n2, b: n1}, n2: {a: n0, b: n2}}
    """

    alphabet: Annotated[list[str], "names of the tokens 0, 1, ..., at least 2; digits in quotes"]
    transitions: Annotated[
        dict[str, dict[str, str]],
        "next states by token, for each state; tokens left out are illegal there",
    ]
    start: Annotated[str, "state before the first token"]
    accepting: Annotated[list[str], "states in which a word may end"]
    length: Annotated[
        int,
        Interval(ge=1, le=MAX_LENGTH),
        "tokens of every word; less for large automata (64 MB in all)",
    ]

    def __post_init__(self):
        super().__post_init__()
        states, tokens = self.transitions.keys(), dict.fromkeys(self.alphabet)
        if not 2 <= len(tokens) == len(self.alphabet) <= 4096:
            raise ParameterError("alphabet", self.alphabet, "2 to 4096 different tokens")
        if not 1 <= len(states) <= 4096:
            raise ParameterError("transitions", self.transitions, "1 to 4096 states")
        for state, row in self.transitions.items():
            for token, target in row.items():
                arrow = {state: {token: target}}
                if token not in tokens:
                    allowed = f"tokens {list_names(tokens)}{suggest(token, tokens)}"
                    raise ParameterError("transitions", arrow, allowed)
                if target not in states:
                    allowed = f"to states {list_names(states)}{suggest(target, states)}"
                    raise ParameterError("transitions", arrow, allowed)
        if self.start not in states:
            allowed = f"states {list_names(states)}{suggest(self.start, states)}"
            raise ParameterError("start", self.start, allowed)
        if not self.transitions[self.start]:
            raise ParameterError("start", self.start, "a state with transitions")
        if not self.accepting or not set(self.accepting) <= set(states):
            raise ParameterError("accepting", self.accepting, f"states {list_names(states)}")
        longest = MAX_TABLE // (len(states) * len(tokens))
        if self.length > longest:
            allowed = f"an integer from 1 to {longest} with this automaton"
            raise ParameterError("length", self.length, allowed)
        self._check_that_there_are_words()

    def _check_that_there_are_words(self) -> None:
        reached = {self.start}
        while new := {t for s in reached for t in self.transitions[s].values()} - reached:
            reached |= new
        if not reached & set(self.accepting):
            raise ParameterError(
                "accepting",
                self.accepting,
                f"one that is reached from {self.start}: {list_names(sorted(reached))}",
            )
        if not self._can_end[self.length, self._start]:
            state = self._start
            lengths = [str(n) for n in range(1, self.length) if self._can_end[n, state]][-3:]
            raise ParameterError(
                "length",
                self.length,
                f"lengths of words; of the shorter ones {', '.join(lengths) or 'none'}",
            )

    @property
    def vocab_size(self) -> int:
        return len(self.alphabet)

    @property
    def opening_mask(self) -> np.ndarray:
        return self._legal[0, self._start]

    @property
    def _start(self) -> int:
        return list(self.transitions).index(self.start)

    @cached_property
    def _next_state(self) -> np.ndarray:
        """int16 (S+1, V+1): state S follows an illegal token and nothing leads out of it; the last
        column is PAD's, which is −1."""
        states = {state: number for number, state in enumerate(self.transitions)}
        tokens = {token: number for number, token in enumerate(self.alphabet)}
        table = np.full((len(states) + 1, self.vocab_size + 1), len(states), dtype=np.int16)
        for state, row in self.transitions.items():
            for token, target in row.items():
                table[states[state], tokens[token]] = states[target]
        return table

    @cached_property
    def _can_end(self) -> np.ndarray:
        """bool (length+1, S+1): from this state, that many tokens can lead to acceptance."""
        can_end = np.zeros((self.length + 1, len(self._next_state)), dtype=bool)
        can_end[0, :-1] = [state in self.accepting for state in self.transitions]
        for tokens_left in range(self.length):
            can_end[tokens_left + 1] = can_end[tokens_left, self._next_state].any(axis=1)
        return can_end

    @cached_property
    def _legal(self) -> np.ndarray:
        """bool (length+1, S+1, V): legal tokens after that many tokens, in this state."""
        legal = np.zeros((self.length + 1, len(self._next_state), self.vocab_size), dtype=bool)
        for step in range(self.length):
            legal[step] = self._can_end[self.length - step - 1, self._next_state[:, :-1]]
        return legal

    def play(self, num_games: int, rng: np.random.Generator) -> np.ndarray:
        tokens = np.empty((self.length, num_games), dtype=token_dtype(self.vocab_size))
        state = np.full(num_games, self._start)
        for step, legal in enumerate(self._legal[:-1]):
            legal_first = np.argsort(~legal, axis=1, kind="stable")
            chosen = (rng.random(num_games) * legal.sum(axis=1)[state]).astype(int)
            tokens[step] = legal_first[state, chosen]
            state = self._next_state[state, tokens[step]]
        return np.ascontiguousarray(tokens.T)

    def compute_mask(self, tokens: np.ndarray) -> np.ndarray:
        states = self._walk(tokens)
        return self._legal[1 + np.arange(tokens.shape[1]), states]

    def get_features(self, tokens: np.ndarray) -> dict[str, Feature]:
        """`state` of the automaton."""
        goes_on = (tokens != PAD) & (np.arange(tokens.shape[1]) < self.length - 1)
        states = label(self._walk(tokens)[..., None], goes_on)
        return {"state": Feature(tuple(self.transitions), states)}

    def _walk(self, tokens: np.ndarray) -> np.ndarray:
        """States (N, L) after each token."""
        states = np.empty(tokens.shape[::-1], dtype=np.int16)
        state = np.full(len(tokens), self._start)
        for step, token in enumerate(np.ascontiguousarray(tokens.T)):
            states[step] = state = self._next_state[state, token]
        return states.T

    def why_illegal(self, prefix: list[int], token: int) -> str:
        state = self.start
        for earlier in prefix:
            state = self.transitions[state][self.alphabet[earlier]]
        name, left = self.alphabet[token], self.length - len(prefix) - 1
        target = self.transitions[state].get(name)
        if target is None:
            return f"state {state} has no transition for {name}"
        return f"{name} leads to state {target}, from where {left} more tokens make no word"
