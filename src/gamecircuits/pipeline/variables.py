"""Variables of the environment that change numbers, so that a job's text decides all of them.

A job runs without any variable that begins with one of `PREFIXES`, but for those that its text
names. The text names those of `CHOICES` that are set when the plan is made: people have reason to
set them, such as the platform to train on. All others have the libraries' own defaults.
"""

import os
from collections.abc import Collection, Mapping, MutableMapping

PREFIXES = (
    *("JAX_", "XLA_", "NUMBA_", "NPY_"),
    *("OPENBLAS_", "GOTO_", "OMP_", "MKL_", "BLIS_", "VECLIB_"),  # linear algebra of numpy
    "FREETYPE_",  # letters in figures
)
HARMLESS = ("NUMBA_CACHE_DIR", "XLA_PYTHON_CLIENT_")  # beginnings: where to cache, memory of a GPU
CHOICES = {  # library: variables
    "jax": ("JAX_PLATFORMS", "XLA_FLAGS"),
    "numba": ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
    "numpy": ("NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"),
}
# Several threads of linear algebra would change last digits with the number of cores, and are
# slower on matrices as small as ours.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def chosen_variables(libraries: Collection[str]) -> dict[str, str]:
    """The variables that are set and part of what a job with these libraries computes."""
    return {
        name: os.environ[name]
        for library, names in CHOICES.items()
        if library in libraries
        for name in names
        if name in os.environ
    }


def fix_variables(chosen: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Set the variables of a job. To be called before the libraries are imported."""
    for name in list(environ):
        if name.startswith(PREFIXES) and not name.startswith(HARMLESS):
            del environ[name]
    environ.update({**dict.fromkeys(ONE_THREAD, "1"), **chosen})
