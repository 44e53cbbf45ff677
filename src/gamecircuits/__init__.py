"""Transformers on simple games, explained down to every weight."""


def __getattr__(name: str):
    """`gamecircuits.show`, imported when somebody asks for it, since jobs must start at once."""
    if name == "show":
        from gamecircuits.analysis.show import show

        return show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
