"""The problems of the course, in the order of solutions.py."""

from checker import attention, constructions, masks, predictions, promises, theory

MODULES = (predictions, masks, attention, promises, theory, constructions)
PROBLEMS = tuple(
    sorted(
        (problem for module in MODULES for problem in module.PROBLEMS),
        key=lambda problem: problem.reference.__code__.co_firstlineno,
    )
)
