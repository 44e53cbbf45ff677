"""The problems of the course in their order."""

from checker import attention, constructions, games, theory

PROBLEMS = (
    *games.PROBLEMS,
    *attention.PROBLEMS,
    theory.STRENGTH_PROBLEM,
    theory.SIMPLEX_PROBLEM,
    theory.FAILING_PROBLEM,
    constructions.ANY_WIDTH_PROBLEM,
    constructions.MINIMAL_PROBLEM,
    theory.GAIN_PROBLEM,
    theory.READING_PROBLEM,
    constructions.NARROW_PROBLEM,
)
