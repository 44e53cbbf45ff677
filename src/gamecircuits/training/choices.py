"""What names a trial of a search and a way to look at it, and which average stands for all."""

from collections.abc import Iterable

KEYS = ["variant", "number"]  # columns that name a trial of a search
OUTCOMES = ["diverged_at", "final_loss"]  # columns of the table of trials, beside what was chosen
COMPARED = ("illegal_token_rate", "total_variation", "kl_divergence")  # metrics of remedies
JUDGED = (*COMPARED, "top1_legal")  # metrics that are matched, and set beside baselines
AS_TRAINED = "as_trained"
STRENGTHS = {  # what the head's output is multiplied by when a trained model is measured
    AS_TRAINED: "nothing",
    "rescaled": "1/(1 − p) where training dropped a share p of the attention or of the output",
    "matched": "what makes the mean x that of the first variant and average, without a norm",
}


def list_hyperparameters(columns: Iterable[str]) -> list[str]:
    """Of the columns of the table of trials those that a trial chose."""
    return [name for name in columns if name not in ("search", *KEYS, *OUTCOMES)]


def choose_middle(averages: list[str]) -> str | None:
    """The average that stands for averaging, chosen by its place in the config, not by its result.

    None if there is only the first one, which others are compared with.
    """
    return averages[max(1, (len(averages) - 1) // 2)] if len(averages) > 1 else None
