"""nanoGPT: transformer.h.0.attn.c_attn.weight (3d, d)."""

import numpy as np

from gamecircuits.errors import GamecircuitsError
from gamecircuits.transformer.formats._translate import Rule, Tensors, Told, assemble, translate
from gamecircuits.transformer.gpt import GPT


def make_rules(is_turned: bool) -> tuple[Rule, ...]:
    """The rules of GPT-2's names; Linear has its matrices turned, Hugging Face's Conv1D has not."""
    start, layer, ours = r"(?:transformer\.)?", r"(?:transformer\.)?h\.(\d+)\.", r"blocks.\1."
    three = ("Q", "K", "V")
    return (
        Rule(rf"{start}wte\.weight", ["embed.W_E"]),
        Rule(rf"{start}wpe\.weight", ["pos_embed.W_pos"]),
        *(
            Rule(rf"{place}\.{theirs}", [f"{own}.{kind}"])
            for place, own in (
                (rf"{layer}ln_1", rf"{ours}ln1"),
                (rf"{layer}ln_2", rf"{ours}ln2"),
                (rf"{start}ln_f", "ln_final"),
            )
            for theirs, kind in (("weight", "w"), ("bias", "b"))
        ),
        *(
            Rule(
                rf"{layer}{theirs}\.{kind}",
                [rf"{ours}{part}.{letter}_{name}" for name in names],
                is_turned and letter == "W",
            )
            for theirs, part, names in (
                (r"attn\.c_attn", "attn", three),
                (r"attn\.c_proj", "attn", ("O",)),
                (r"mlp\.c_fc", "mlp", ("in",)),
                (r"mlp\.c_proj", "mlp", ("out",)),
            )
            for kind, letter in (("weight", "W"), ("bias", "b"))
        ),
        Rule(rf"{layer}attn\.(?:masked_)?bias"),  # the causal mask
        Rule(r"lm_head\.weight", ["unembed.W_U"], True),
    )


RULES = make_rules(is_turned=True)


def shape_of_c_attn(tensors: Tensors) -> tuple[int, ...]:
    for name in ("transformer.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight"):
        if name in tensors:
            return tensors[name].shape
    return ()


def recognise(tensors: Tensors) -> bool:
    shape = shape_of_c_attn(tensors)
    return len(shape) == 2 and shape[0] == 3 * shape[1]


def read(tensors: Tensors, told: Told) -> GPT:
    """A GPT with norms before sublayers and the exact GELU of `nn.GELU()`.

    minGPT since 2022 has the same names, and GELU by tanh, which is another function. It is known
    by its masks beside an unembedding of its own, and refused.
    """
    model = assemble(translate(RULES, tensors), told.find_heads())
    W_E, W_U = model.parameters.W_E, model.parameters.W_U
    has_masks = any(name.endswith(".attn.bias") for name in tensors)
    if has_masks and W_U is not None and not np.array_equal(W_U.T, W_E):
        raise GamecircuitsError(
            "masks, and lm_head apart from wte, are of minGPT since 2022; its GELU, by tanh, is "
            "another function than the exact one"
        )
    return model
