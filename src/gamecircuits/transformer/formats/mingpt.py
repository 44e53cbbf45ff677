"""minGPT of 2020, as in othello_world and its kin: blocks.0.attn.query.weight."""

from gamecircuits.transformer.formats._translate import Rule, Tensors, Told, assemble, translate
from gamecircuits.transformer.gpt import GPT

LAYER = r"blocks\.(\d+)\."
OURS = r"blocks.\1."
RULES = (
    Rule(r"tok_emb\.weight", ["embed.W_E"]),
    Rule(r"pos_emb", ["pos_embed.W_pos"]),
    *(
        Rule(rf"{LAYER}ln{n}\.{theirs}", [rf"{OURS}ln{n}.{ours}"])
        for n in (1, 2)
        for theirs, ours in (("weight", "w"), ("bias", "b"))
    ),
    *(
        Rule(rf"{LAYER}{theirs}\.{kind}", [rf"{OURS}{part}.{letter}_{ours}"], letter == "W")
        for theirs, part, ours in (
            (r"attn\.query", "attn", "Q"),
            (r"attn\.key", "attn", "K"),
            (r"attn\.value", "attn", "V"),
            (r"attn\.proj", "attn", "O"),
            (r"mlp\.0", "mlp", "in"),
            (r"mlp\.2", "mlp", "out"),
        )
        for kind, letter in (("weight", "W"), ("bias", "b"))
    ),
    Rule(rf"{LAYER}attn\.mask"),
    Rule(r"ln_f\.weight", ["ln_final.w"]),
    Rule(r"ln_f\.bias", ["ln_final.b"]),
    Rule(r"head\.weight", ["unembed.W_U"], True),
)


def recognise(tensors: Tensors) -> bool:
    return "tok_emb.weight" in tensors


def read(tensors: Tensors, told: Told) -> GPT:
    """A GPT with norms before sublayers and the exact GELU of `nn.GELU()`."""
    named = translate(RULES, tensors)
    table = named.get("pos_embed.W_pos")
    if table is not None and table.ndim == 3 and len(table) == 1:
        named["pos_embed.W_pos"] = table[0]
    return assemble(named, told.find_heads())
