"""Stage: every statement of the theory, evaluated on concrete instances."""

import html

import pandas as pd

from gamecircuits.claims.check import check_all, summarize
from gamecircuits.pipeline.run.progress import log
from gamecircuits.storage.files import write_files
from gamecircuits.storage.tables import write_frame

PAGE = """<!doctype html><meta charset="utf-8"><title>Claims</title>
<style>body {{ font: 14px/1.45 sans-serif; margin: 2em }} table {{ border-collapse: collapse }}
th, td {{ padding: .25em 1.2em .25em 0; text-align: left; vertical-align: top;
border-bottom: 1px solid #ddd }} td.number {{ text-align: right }}
.fails {{ background: #f8d7da; font-weight: bold }}</style>
<h3>{verdict}</h3><p>Each claim is a statement of docs/theory.md, evaluated on random instances that
fulfil its hypotheses. The instances, with predicted and measured values, are in tables/claims.csv.
<table><tr><th>proved<th>claim<th>statement<th>instances<th>contexts<th>largest part of the
tolerance used<th>holds</tr>
{rows}</table>
"""


def check_claims(
    paths: list[str], page: str, *, job: str, seed: int, vocab_sizes: list[int], instances: int
) -> None:
    """Evaluate all claims; write the table and a page. Failures are written, not raised."""
    table = check_all(vocab_sizes, instances, seed, log)
    write_frame(table, job, *paths)
    write_files({page: format_page(table).encode()})


def format_page(table: pd.DataFrame) -> str:
    """The table of claims as HTML, one row for each claim."""
    rows = []
    for row in summarize(table).itertuples():
        used = "" if pd.isna(row.used) else f"{100 * row.used:.2g} %"
        verdict = "yes" if row.failures == 0 else f"FAILS in {row.failures} of {row.instances}"
        rows.append(
            f'<tr class="{"fails" if row.failures else ""}"><td>{row.proved}<td>{row.claim}'
            f'<td>{html.escape(row.statement)}<td class="number">{row.instances}'
            f'<td class="number">{row.contexts:,}<td class="number">{used}<td>{verdict}</tr>'
        )
    failures = int((~table["holds"]).sum())
    count = f"{table['claim'].nunique()} claims, {len(table)} instances, "
    count += f"{table['contexts'].sum():,} contexts"
    verdict = f"All hold: {count}" if not failures else f"{failures} instances FAIL: {count}"
    return PAGE.format(verdict=verdict, rows="\n".join(rows))
