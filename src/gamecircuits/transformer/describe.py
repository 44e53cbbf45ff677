"""What a GPT is, in numbers and names."""

from gamecircuits.transformer.gpt import GPT
from gamecircuits.transformer.interface import Model

NORMS = {"layer": "LayerNorm", "rms": "RMSNorm"}


def describe_design(model: GPT) -> dict[str, str | int]:
    """Layers, heads of each, widths of the residual stream and of the MLPs (0: none), positions.

    Of learned positions there is the `context`, their number; `model_norm` has its place.
    """
    parameters, design = model.parameters, model.design
    first = parameters.blocks[0] if parameters.blocks else None
    is_normed = first is not None and first.ln1 is not None
    return {
        "layers": len(parameters.blocks),
        "heads": design.num_heads,
        "width": parameters.W_E.shape[1],
        "mlp": first.mlp.W_in.shape[1] if first is not None and first.mlp is not None else 0,
        "positions": design.positions,
        "context": get_context(model) or 0,
        "model_norm": f"{NORMS[design.norm]} {design.placement} sublayers" if is_normed else "none",
    }


def count_sublayers(model: Model) -> int:
    """Attentions and MLPs of a model."""
    if not isinstance(model, GPT):
        return 1
    return sum(1 + (block.mlp is not None) for block in model.parameters.blocks)


def get_context(model: Model) -> int | None:
    """The longest prefix that a model takes (tokens), None if any length will do."""
    table = model.parameters.W_pos if isinstance(model, GPT) else None
    return None if table is None else len(table)
