"""What a stage is: one record, from which rules, jobs, command lines and lists of files follow."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import NamedTuple

from gamecircuits.pipeline.config.named import Config

Names = Mapping[str, str]  # values of the wildcards of one job
Paths = str | list[str]


class File(NamedTuple):
    """A file of another stage's job: the stage, the job's names, and the argument that names it."""

    stage: str
    names: tuple[tuple[str, str], ...]
    argument: str | None  # the stage's first if None
    suffix: str = ""  # of several files of one argument the first that ends like this


def file_of(stage: str, argument: str | None = None, suffix: str = "", **names: str) -> File:
    """The file that a stage writes for these names; of several of one argument, the first."""
    return File(stage, tuple(sorted(names.items())), argument, suffix)


@dataclass(frozen=True)
class Work:
    """One job of a stage.

    Attributes:
        reads: files by argument of the stage's function: a path, or a list of paths.
        settings: the function's other keyword arguments, in JSON types.
        loads: modules that the function loads by name, beside those that the settings tell.
        caption: for the report: a file below src/gamecircuits/figures, or in workflow/report.
        threads: how many are worth giving to it; passed on if the function takes `threads`.
        memory: MiB that it takes at most, and
        seconds: how long it takes, as its log said where it was measured; for clusters.
        size: bytes that its files take at most, where that may be much.
    """

    reads: Mapping[str, File | list[File]] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    caption: str | None = None
    threads: int = 1
    memory: float = 350
    seconds: float = 10
    size: int = 0


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline: the function of its name in gamecircuits.pipeline.stages.

    Attributes:
        name: of the function, its module, the rule and the folder of its logs.
        holds: what its files hold, for results/README.md.
        parts: targets that it belongs to (`snakemake figures`).
        writes: for each argument of the function, files below the results folder, with the names of
            the job in braces.
        work: from the config and the names of a job to the job.
        each: from the config to the names of all jobs.
        scratch: like `writes`, for files that outlive a job that fails, and no other.
        shown: section of the report in which its images and pages are shown.
    """

    name: str
    holds: str
    parts: tuple[str, ...]
    writes: dict[str, Paths]
    work: Callable[..., Work]
    each: Callable[[Config], Iterable[Names]]
    scratch: dict[str, str]
    shown: str | None

    @property
    def patterns(self) -> list[str]:
        """Patterns of all files that it writes."""
        return [p for paths in self.writes.values() for p in as_list(paths)]

    @property
    def wildcards(self) -> list[str]:
        """The names that tell its jobs apart, in the order of its paths."""
        return [name for _, name, _, _ in Formatter().parse(self.patterns[0]) if name]

    @property
    def label(self) -> str:
        """Pattern of the names of a job as one word, for the files that tell of it."""
        return "-".join(f"{{{name}}}" for name in self.wildcards) or "all"


STAGES: dict[str, Stage] = {}


def as_list(paths: Paths) -> list[str]:
    return [paths] if isinstance(paths, str) else paths


def stage(
    *parts: str,
    writes: dict[str, Paths],
    each: Callable[[Config], Iterable[Names]] = lambda config: [{}],
    scratch: dict[str, str] | None = None,
    shown: str | None = None,
) -> Callable[[Callable[..., Work]], Stage]:
    """Enter a stage in STAGES: its name and what its files hold are the function's.

    Args: see `Stage`.
    """

    def enter(work: Callable[..., Work]) -> Stage:
        name, holds = work.__name__, " ".join((work.__doc__ or "").split())
        STAGES[name] = Stage(name, holds, parts, writes, work, each, scratch or {}, shown)
        return STAGES[name]

    return enter


def figure(stem: str) -> dict[str, Paths]:
    """What a stage that draws a figure writes: its data and its image, under one name."""
    return {"files": [f"{stem}.{suffix}" for suffix in ("parquet", "csv", "png", "svg")]}
