"""Stage: what the searches say of the hypotheses."""

from gamecircuits.storage.tables import read_frame, write_frame
from gamecircuits.training.effects import join_strengths
from gamecircuits.training.hypotheses import judge_hypotheses


def check_hypotheses(
    metrics: list[str],
    scaled: list[str],
    dynamics: list[str],
    noise: list[str],
    illegal: list[str],
    paths: list[str],
    *,
    job: str,
    searches: list,
    hypotheses: list[dict],
) -> None:
    """Write one row for each hypothesis; none of them has to be supported.

    Args:
        metrics, scaled, dynamics, noise, illegal: of the searches, in their order.
        searches: pairs of a name and what judge_hypotheses has to know of the search.
        hypotheses: as judge_hypotheses takes them.
    """
    tables = {
        search: {
            "metrics": join_strengths(read_frame(metrics[n]), read_frame(scaled[n])),
            "dynamics": read_frame(dynamics[n]),
            "noise": read_frame(noise[n]),
            "illegal": read_frame(illegal[n]),
        }
        for n, (search, _) in enumerate(searches)
    }
    write_frame(judge_hypotheses(hypotheses, tables, dict(searches)), job, *paths)
