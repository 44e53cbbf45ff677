"""What components add, and what goes without them: against runs of models changed by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from gpts import gpts, make_gpt, naive_attention, naive_mlp, normed
from hypothesis import example, given, settings

from gamecircuits.analysis.metrics import context_metrics
from gamecircuits.audits.ablation import ablate, change_output, patch_paths
from gamecircuits.audits.attribution import attribute, attribute_model, weigh_displacement
from gamecircuits.audits.components import (
    list_components,
    trace,
    write,
)
from gamecircuits.audits.prefixes import pool, prepare_prefixes
from gamecircuits.audits.scales import Chains
from gamecircuits.errors import GamecircuitsError
from gamecircuits.games.game import PAD, make_game
from gamecircuits.transformer.circuits import from_circuits
from gamecircuits.transformer.gpt import GPT, Attention, Block, Design, GPTParameters

OTHELLO = make_game("othello", board_size=4)


def run_all(model, game, tokens, trained_length=None, **options):
    rng = np.random.default_rng(0)
    return attribute_model(model, game, tokens, trained_length=trained_length, rng=rng, **options)


@pytest.fixture(scope="module")
def case():
    """A model with norms before its sublayers, games that end early, and what is prepared."""
    rng = np.random.default_rng(1)
    model = make_gpt(rng, V=16, num_positions=12)
    tokens = OTHELLO.play(12, rng)
    assert (tokens[:, -1] == PAD).any()
    return model, prepare_prefixes(model, OTHELLO, tokens, 6, rng), trace(model, tokens)


def read_displacement(logits, prefixes):
    values = np.full(prefixes.counts.shape, np.nan)
    found = context_metrics(logits[prefixes.counts], prefixes.legal[prefixes.counts])
    values[prefixes.counts] = found["displacement"]
    return values


AFTER = make_gpt(np.random.default_rng(0), placement="after", norm="rms")


@settings(max_examples=30, deadline=None)
@given(model=gpts())
@example(AFTER)
def test_additions_sum_to_the_displacement(model):
    """Whatever the norms, their place, the positions and the biases."""
    game = make_game("set_complement", vocab_size=model.vocab_size)
    tokens = game.play(6, np.random.default_rng(0))
    prefixes = prepare_prefixes(model, game, tokens, 1, np.random.default_rng(0))
    run = trace(model, tokens)
    weights = weigh_displacement(prefixes.legal)
    added, _ = attribute(run, Chains(run), prefixes, weights)
    wanted = read_displacement(run.logits, prefixes)
    for (first, last), rows in added.groupby(["first_length", "last_length"]):
        total = np.nanmean(wanted[:, first - 1 : last])
        assert rows["displacement"].sum() == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("placement", ["before", "after"])
def test_directions_are_pulled_back_as_additions_are_pushed(placement):
    rng = np.random.default_rng(0)
    model = make_gpt(rng, placement=placement)
    chains = Chains(trace(model, rng.integers(0, 5, (3, 4))))
    additions, directions = rng.normal(size=(2, 3, 4, 6))
    for point in range(-1, 4):
        pushed = np.einsum("nld,nld->nl", chains.push(additions, point), directions)
        pulled = np.einsum("nld,nld->nl", additions, chains.pull(directions, point))
        np.testing.assert_allclose(pushed, pulled, rtol=1e-10)


def test_without_layers_only_tokens_lead_to_logits():
    model = make_gpt(np.random.default_rng(0), V=16, num_layers=0, num_positions=12)
    found = run_all(model, OTHELLO, OTHELLO.play(3, np.random.default_rng(0)), 6)
    assert set(found.attributed["component"]) == {"tokens", "positions", "biases"}
    assert found.ablated.empty
    assert found.neurons.empty
    assert set(found.paths["receiver"]) == {"logits"}


def test_additions_to_tokens_are_parts_of_the_displacement(case):
    """Each illegal token's share in one game: minus the mean of what is added to it."""
    model, _, _ = case
    tokens = np.repeat(OTHELLO.play(1, np.random.default_rng(4)), 2, axis=0)
    found = run_all(model, OTHELLO, tokens, 1)
    squares = found.squares[found.squares["last_length"] == 1].set_index("component")
    added = found.attributed.query("first_length == last_length == 1").set_index("component")
    for component, row in added.iterrows():
        rows = squares.loc[component]
        illegal = rows.loc[rows["state"] != "legal", "addition"]
        assert len(rows) == 16
        assert row["displacement"] == pytest.approx(-illegal.mean(), abs=1e-12)
        assert rows.loc[rows["state"] == "legal", "addition"].mean() == pytest.approx(0, abs=1e-12)
        assert rows.loc[rows["state"] == "seen", "token"].tolist() == [tokens[0, 0]]


def zero_rows(model, component):
    """The model without what a head reads or an MLP's last matrix."""
    block = model.parameters.blocks[component.layer - 1]
    if component.head:
        W_O = block.attn.W_O.copy()
        width = len(W_O) // model.design.num_heads
        W_O[(component.head - 1) * width : component.head * width] = 0
        block = block._replace(attn=block.attn._replace(W_O=W_O))
    else:
        block = block._replace(mlp=block.mlp._replace(W_out=np.zeros_like(block.mlp.W_out)))
    blocks = list(model.parameters.blocks)
    blocks[component.layer - 1] = block
    return replace(model, parameters=model.parameters._replace(blocks=tuple(blocks)))


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_no_output_is_that_of_weights_of_zero(placement, positions):
    rng = np.random.default_rng(2)
    model = make_gpt(rng, V=16, num_positions=12, placement=placement, positions=positions)
    run = trace(model, OTHELLO.play(4, rng))
    components = list_components(model)
    assert [c.name for c in components[:4]] == ["head 1.1", "head 1.2", "MLP 1", "head 2.1"]
    for component in components:
        logits = change_output(run, component.point, -run.get_output(component))
        wanted = zero_rows(model, component).logits(run.tokens)
        np.testing.assert_allclose(logits, wanted, atol=1e-9)


def test_ablation_is_that_by_a_hook(case):
    """Means and resampled outputs put in where the whole model runs."""
    model, prefixes, run = case
    found = ablate(run, prefixes, lambda text: None)
    before = read_displacement(run.logits, prefixes)
    for name, own in {
        "head 1.2": slice(3, 6),
        "head 2.1": slice(0, 3),
        "MLP 1": slice(None),
    }.items():
        layer = int(name.split()[1][0]) - 1
        site = f"blocks.{layer}." + ("mlp.post" if "MLP" in name else "attn.z")
        for way in ("mean", "resampled"):

            def put_in(at, values, way=way, site=site, own=own):
                if at != site:
                    return values
                new = values.copy()
                for s in range(values.shape[1]):
                    going = values[prefixes.counts[:, s], s][:, own]
                    mean = going.mean(axis=0) if len(going) else 0
                    new[:, s, own] = mean if way == "mean" else values[prefixes.donors, s][:, own]
                return new

            counts = prefixes.counts if way == "mean" else prefixes.both
            change = read_displacement(model.logits(run.tokens, hook=put_in), prefixes) - before
            rows = found.query("component == @name and replaced_by == @way")
            rows = rows[rows["metric"] == "displacement"].set_index(["first_length", "last_length"])
            for lengths in [(1, 1), (5, 5), (1, 6), (7, 12)]:
                part = slice(lengths[0] - 1, lengths[1])
                wanted = change[:, part][counts[:, part]].mean()
                assert rows.loc[lengths, "change"] == pytest.approx(wanted, abs=1e-9)


PAIRS = [
    ("head 1.1", "head 2.2"),
    ("head 1.2", "MLP 1"),
    ("MLP 1", "MLP 2"),
    ("tokens", "head 2.1"),
]
NUM_PATHS = 7 + 2 * 5 + 4 + 2 * 2 + 1  # from the tokens, both heads, the MLP; and of layer 2


@pytest.mark.parametrize(("sender", "receiver"), PAIRS)
def test_a_path_is_what_its_receiver_makes_of_it_alone(case, sender, receiver):
    """The receiver in plain Python, from activations that hooks saw; then a run of the whole."""
    model, prefixes, run = case
    game, length, H = 3, 4, model.design.num_heads
    assert prefixes.both[game, length - 1]
    seen = {}
    model.logits(run.tokens, hook=lambda site, v: seen.setdefault(site, v.copy()))
    kind, place = receiver.split()
    block = model.parameters.blocks[int(place[0]) - 1]
    name = f"blocks.{place[0]}".replace(place[0], str(int(place[0]) - 1))
    if sender == "tokens":
        output = seen["embed"]
    else:
        one = {c.name: c for c in list_components(model)}[sender]
        layer = f"blocks.{one.layer - 1}"
        output = write(model, one, seen[f"{layer}.{'attn.z' if one.head else 'mlp.post'}"])
    change = (output[prefixes.donors] - output)[game, :length]
    site = "resid_pre" if kind == "head" else "resid_mid"
    stream = seen[f"{name}.{site}"][game, :length] + change
    norm = block.ln1 if kind == "head" else block.ln2
    rows = [normed(x, norm, "layer") for x in stream]
    if kind == "head":  # heads read by themselves: W_O as the identity
        width = len(block.attn.W_O)
        bare = block.attn._replace(W_O=np.eye(width), b_O=None)
        own = slice((int(place[2]) - 1) * width // H, int(place[2]) * width // H)
        new, target = np.array(naive_attention(bare, rows, model.design)), f"{name}.attn.z"
    else:
        new, target = np.array(naive_mlp(block.mlp, rows, model.design)), f"{name}.mlp_out"
        own = slice(None)

    def put_in(at, values):
        if at == target:
            values = values.copy()
            values[0, :, own] = new[:, own]
        return values

    prefix = run.tokens[game : game + 1, :length]
    logits = [model.logits(prefix, hook=hook)[0, -1] for hook in (put_in, lambda at, v: v)]
    legal = prefixes.legal[game, length - 1]
    wanted = np.subtract(*(x[legal].mean() - x[~legal].mean() for x in logits))
    assert abs(wanted) > 1e-4
    alone = prefixes._replace(both=np.zeros_like(prefixes.both))
    alone.both[game, length - 1] = True
    table = patch_paths(run, alone, weigh_displacement(prefixes.legal), lambda text: None)
    rows = table.query("sender == @sender and receiver == @receiver and first_length == @length")
    assert rows["change"].tolist() == [pytest.approx(wanted, abs=1e-9)]
    assert len(table) == 2 * NUM_PATHS


def test_paths_of_a_linear_model_sum_to_the_whole_effect():
    """Without norms and MLPs, and with attention that ignores what it reads."""
    rng = np.random.default_rng(3)
    model = make_gpt(
        rng, V=16, num_layers=3, d_mlp=None, sublayer_norms=False, final_norm=False,
        num_positions=12,
    )  # fmt: skip
    nothing = {"W_Q": np.zeros((6, 8)), "b_Q": np.zeros(8)}
    blocks = [b._replace(attn=b.attn._replace(**nothing)) for b in model.parameters.blocks]
    model = GPT(model.parameters._replace(blocks=tuple(blocks)), model.design)
    found = run_all(model, OTHELLO, OTHELLO.play(9, rng), 6)
    keys = ["first_length", "last_length"]
    paths = found.paths.groupby(["sender", *keys])["change"].sum()
    whole = found.ablated.query("replaced_by == 'resampled' and metric == 'displacement'")
    assert whole["component"].nunique() == 6
    for row in whole.to_dict("records"):
        place = (row["component"], row["first_length"], row["last_length"])
        assert paths[place] == pytest.approx(row["change"], abs=1e-9)


def make_set_complement(V, strength):
    """One head that does all: it averages what was played, and its output is −strength times it."""
    weights = from_circuits(np.zeros((V, V)), -strength * np.eye(V), np.zeros((V, V)))
    attention = Attention(weights.W_Q, weights.W_K, weights.W_V, weights.W_O)
    return GPT(GPTParameters(weights.W_E, (Block(attention),), weights.W_U), Design())


@pytest.mark.parametrize("V", [2, 6])
def test_one_head_that_does_all_is_seen_to(V):
    """A played token lies strength / length below the others: the displacement."""
    strength = 3.0
    game = make_game("set_complement", vocab_size=V)
    tokens = game.play(40, np.random.default_rng(0))
    found = run_all(make_set_complement(V, strength), game, tokens)
    rows = found.attributed.query("first_length == last_length").set_index("component")
    head = rows.loc[["head 1.1"]]
    np.testing.assert_allclose(head["displacement"], strength / head["first_length"])
    np.testing.assert_allclose(rows.drop("head 1.1")["displacement"], 0, atol=1e-12)
    squares = found.squares.query("component == 'head 1.1'")
    assert set(squares["state"]) == {"legal", "seen"}
    paths = found.paths.query("first_length == 1 and last_length == 1").set_index(
        ["sender", "receiver"]
    )["change"]
    assert paths["tokens", "logits"] == pytest.approx(0, abs=1e-12)
    assert paths["tokens", "head 1.1"] == pytest.approx(paths["head 1.1", "logits"])
    # Of two games with one token, the same or another: then the played token is as the legal ones,
    # and one of these lies `strength` below.
    donors = prepare_prefixes(
        make_set_complement(V, strength), game, tokens, None, np.random.default_rng(0)
    ).donors
    differ = (tokens[donors, 0] != tokens[:, 0]).mean()
    wanted = -differ * (strength + strength / (V - 1))
    assert paths["head 1.1", "logits"] == pytest.approx(wanted)
    ablated = found.ablated.query("first_length == 1 and last_length == 1").set_index(
        ["replaced_by", "metric"]
    )["change"]
    illegal = 1 / (1 + (V - 1) * np.exp(strength))
    counts = np.bincount(tokens[:, 0], minlength=V) / len(tokens)
    weights = np.exp(-strength * counts)
    wanted = (weights / weights.sum() * counts).sum() - illegal
    assert ablated["mean", "illegal_token_rate"] == pytest.approx(wanted)


def test_neurons_are_found_by_size_and_by_what_they_follow():
    """A neuron that is on where a square is taken, and is the only one that is read."""
    rng = np.random.default_rng(0)
    model = make_gpt(rng, V=16, d=8, num_layers=1, num_positions=12, scale=0.3)
    [block] = model.parameters.blocks
    W_out = np.zeros_like(block.mlp.W_out)
    W_out[4] = rng.normal(size=8)
    block = block._replace(mlp=block.mlp._replace(W_out=W_out, b_out=None))
    model = replace(model, parameters=model.parameters._replace(blocks=(block,)))
    tokens = OTHELLO.play(120, rng)
    found = run_all(model, OTHELLO, tokens, 6)
    first, others = found.neurons.iloc[0], found.neurons.iloc[1:]
    assert (first["component"], first["neuron"]) == ("MLP 1", 5)
    assert (others["displacement"] == 0).all()
    assert (others["illegal_change"].abs() < 1e-12).all()
    both = "first_length == 1 and last_length == 6 and component == 'MLP 1'"
    [whole] = found.attributed.query(both).to_dict("records")
    assert first["displacement"] == pytest.approx(whole["displacement"])
    assert first["error"] == pytest.approx(whole["error"])
    ablated = found.ablated.query(both + " and replaced_by == 'mean'").set_index("metric")
    assert first["illegal_change"] == pytest.approx(ablated.loc["illegal_token_rate", "change"])
    assert first["displacement_change"] == pytest.approx(ablated.loc["displacement", "change"])
    # What it follows best, by plain loops.
    legal = OTHELLO.get_valid_next_token_mask(tokens)
    inside = legal.any(axis=2) & (tokens != PAD) & (np.arange(12) < 6)
    activation = trace(model, tokens).inner[1][..., 4][inside]
    best = {}
    for name, feature in OTHELLO.get_features(tokens).items():
        for place, number in product(range(16), range(len(feature.values))):
            holds = feature.labels[..., place][inside] == number
            if 30 <= holds.sum() <= len(holds) - 30:
                means = activation[holds].mean() - activation[~holds].mean()
                best[name, place, feature.values[number]] = means / activation.std()
    place = max(best, key=lambda key: abs(best[key]))
    assert (first["feature"], first["place"], first["value"]) == place
    assert first["separation"] == pytest.approx(best[place])
    assert 0 < first["chance"] < abs(first["separation"])


def test_errors_are_those_of_games():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 50, 1))
    mean, error = pool(values, np.ones((50, 1), bool))
    np.testing.assert_allclose(mean, values.mean(axis=(1, 2)))
    np.testing.assert_allclose(error, values.std(axis=1, ddof=1)[:, 0] / 50**0.5)
    copies = np.repeat(values, 4, axis=2)  # more prefixes of the same games tell nothing
    np.testing.assert_allclose(pool(copies, np.ones((50, 4), bool)), [mean, error])
    assert np.isnan(pool(values[:, :1], np.ones((1, 1), bool))[1]).all()


def test_the_same_generator_gives_the_same_tables(case):
    model, prefixes, _ = case
    one, other = (run_all(model, OTHELLO, prefixes.tokens, 6) for _ in range(2))
    for table, same in zip(one, other, strict=True):
        assert table.equals(same)
    assert len(set(prefixes.donors)) == len(prefixes.tokens)
    assert (prefixes.donors != np.arange(len(prefixes.tokens))).all()
    few = run_all(model, OTHELLO, prefixes.tokens, 6, path_games=5).paths
    assert few["count"].max() <= 5 * 6


def test_bad_input_is_refused(case):
    model, prefixes, _ = case
    with pytest.raises(GamecircuitsError, match="1 games are too few"):
        run_all(model, OTHELLO, prefixes.tokens[:1])
    with pytest.raises(GamecircuitsError, match="16 tokens and the game 36"):
        run_all(model, make_game("othello", board_size=6), prefixes.tokens)
