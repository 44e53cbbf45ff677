"""A GPT as components that add to the residual stream, and as a row of sublayers.

A sublayer is the attention or the MLP of a layer. It reads the stream at its point and adds to it.
Components are the tokens, the positions, every head, every MLP, and all biases together. N stands
for games, L positions, V vocabulary, d width of the stream.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.gpt import GPT, MLP, Attention, Block, Norm, Positions, normalize

Say = Callable[[str], None]
TOKENS, POSITIONS, BIASES = "tokens", "positions", "biases"  # names of components
Hook = Callable[[str, np.ndarray], np.ndarray]


class Component(NamedTuple):
    """What adds to the residual stream.

    Attributes:
        name: tokens, positions, "head 1.2" (layer 1, head 2), "MLP 1" or biases.
        layer, head: from 1, 0 for none.
        point: of its sublayer, an index into `list_sublayers`; −1 before all of them.
    """

    name: str
    layer: int = 0
    head: int = 0
    point: int = -1


class Sublayer(NamedTuple):
    """Attention or MLP of a layer (from 0), and the norm before or after it."""

    layer: int
    part: Attention | MLP
    norm: Norm | None

    @property
    def site(self) -> str:
        """Where what its last matrix reads can be seen, in its layer."""
        return "mlp.post" if isinstance(self.part, MLP) else "attn.z"

    @property
    def output(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Its last matrix (width, d), and its bias (d,)."""
        part = self.part
        return (part.W_out, part.b_out) if isinstance(part, MLP) else (part.W_O, part.b_O)


def list_sublayers(model: GPT) -> list[Sublayer]:
    """All sublayers in order: the stream at point p is what the p-th one reads."""
    found = []
    for layer, block in enumerate(model.parameters.blocks):
        found.append(Sublayer(layer, block.attn, block.ln1))
        if block.mlp is not None:
            found.append(Sublayer(layer, block.mlp, block.ln2))
    return found


def list_components(model: GPT) -> list[Component]:
    """Heads and MLPs, in order."""
    found = []
    for point, (layer, part, _) in enumerate(list_sublayers(model)):
        if isinstance(part, MLP):
            found.append(Component(f"MLP {layer + 1}", layer + 1, 0, point))
            continue
        found += [
            Component(f"head {layer + 1}.{head}", layer + 1, head, point)
            for head in range(1, model.design.num_heads + 1)
        ]
    return found


def get_rest(model: GPT, point: int, end: int | None = None) -> GPT:
    """The part of a model from one point on: it has what its sublayers read in place of tokens."""
    blocks = []
    for _, part, norm in list_sublayers(model)[point:end]:
        if isinstance(part, Attention):
            blocks.append(Block(part, None, norm))
        elif blocks and blocks[-1].mlp is None:
            blocks[-1] = blocks[-1]._replace(mlp=part, ln2=norm)
        else:
            blocks.append(Block(_make_nothing(part), part, None, norm))
    positions: Positions = "rotary" if model.design.positions == "rotary" else "none"
    parameters = model.parameters._replace(blocks=tuple(blocks), W_pos=None)
    return GPT(parameters, replace(model.design, positions=positions))


def _make_nothing(mlp: MLP) -> Attention:
    """Attention of no width: it adds zero."""
    wide = np.zeros((len(mlp.W_in), 0), mlp.W_in.dtype)
    return Attention(wide, wide, wide, wide.T)


def run_rest(rest: GPT, tokens: np.ndarray, stream: np.ndarray, hook: Hook | None = None):
    """Logits (N, L, V) of `get_rest` from the stream (N, L, d) at its first point."""

    def put_in(site: str, values: np.ndarray) -> np.ndarray:
        if site == "embed":
            return stream
        return values if hook is None else hook(site, values)

    return rest.logits(tokens, hook=put_in)


def read_site(rest: GPT, tokens: np.ndarray, stream: np.ndarray, site: str) -> np.ndarray:
    """What is at a site of `get_rest` when it reads a stream (N, L, d)."""
    found: list[np.ndarray] = []

    def watch(name: str, values: np.ndarray) -> np.ndarray:
        if name == site:
            found.append(values)
        return values

    run_rest(rest, tokens, stream, watch)
    return found[0]


def put_on(model: GPT, sublayer: Sublayer, stream: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The stream after a sublayer that added `out`."""
    stream = stream + out
    if sublayer.norm is None or model.design.placement == "before":
        return stream
    return normalize(np, stream, sublayer.norm, model.design.norm)


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of a model on games, with all that its components added.

    Attributes:
        model: whose run.
        tokens: (N, L), padded after a game's end.
        embed: (N, L, d).
        positions: (N, L, d), or None.
        streams: (N, L, d) at each point, and at the end.
        outs: what each sublayer added, before a norm after it, (N, L, d).
        inner: what the last matrix of each sublayer read, of all heads or neurons, (N, L, width).
        logits: (N, L, V).
    """

    model: GPT
    tokens: np.ndarray
    embed: np.ndarray
    positions: np.ndarray | None
    streams: list[np.ndarray]
    outs: list[np.ndarray]
    inner: list[np.ndarray]
    logits: np.ndarray

    @cached_property
    def sublayers(self) -> list[Sublayer]:
        return list_sublayers(self.model)

    def get_output(self, component: Component) -> np.ndarray:
        """What a component adds, (N, L, d), without the biases b_O and b_out."""
        if component.point >= 0:
            return write(self.model, component, self.inner[component.point])
        found = self.embed if component.name == TOKENS else self.positions
        if found is None:
            raise GamecircuitsError(f"the model has no component {component.name!r}")
        return found

    def replay(self, component: Component, change: np.ndarray) -> list[np.ndarray]:
        """Streams at all points after a component and at the end, by point.

        They are those of a run in which its output differs by `change` (N, L, d) and all other
        outputs stay as they were.
        """
        start = max(component.point, 0)
        changed = {component.point: change}
        streams = [*self.streams[: start + 1]]
        streams[start] = streams[start] + changed.get(-1, 0)
        for point in range(start, len(self.outs)):
            out = self.outs[point] + changed.get(point, 0)
            streams.append(put_on(self.model, self.sublayers[point], streams[-1], out))
        return streams


def write(model: GPT, component: Component, inner: np.ndarray) -> np.ndarray:
    """What a head or MLP adds, (N, L, d), if the sublayer's last matrix reads `inner`."""
    matrix, _ = list_sublayers(model)[component.point].output
    if not component.head:
        return inner @ matrix
    width = len(matrix) // model.design.num_heads
    own = slice((component.head - 1) * width, component.head * width)
    return inner[..., own] @ matrix[own]


def trace(model: GPT, tokens: np.ndarray) -> Trace:
    """Run a model on games (N, L), padded after their ends."""
    seen: dict[str, np.ndarray] = {}

    def watch(site: str, values: np.ndarray) -> np.ndarray:
        if not site.endswith("pattern"):
            seen[site] = values
        return values

    logits = model.logits(tokens, hook=watch)
    embed, positions = seen["embed"], seen.get("pos_embed")
    if positions is not None:
        positions = np.broadcast_to(positions, embed.shape)
    streams = [embed if positions is None else embed + positions]
    outs, inner = [], []
    for sublayer in list_sublayers(model):
        layer = f"blocks.{sublayer.layer}"
        inner.append(seen[f"{layer}.{sublayer.site}"])
        name = "mlp_out" if isinstance(sublayer.part, MLP) else "attn_out"
        outs.append(seen[f"{layer}.{name}"])
        streams.append(put_on(model, sublayer, streams[-1], outs[-1]))
    return Trace(model, tokens, embed, positions, streams, outs, inner, logits)
