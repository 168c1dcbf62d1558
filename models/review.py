"""A comparison and its verdict as a reviewer sees them on a generation's page."""

import pandas as pd

from models.entry import Note
from records.comparison import Comparison, Verdict


def comparison_note(comparison: Comparison, verdict: Verdict) -> Note:
    """Return the note for the challenger's run: metrics in points, a page to read, a table to sort.

    Points are hundredths of the loss, because MLflow's comparison page rounds to three decimals.
    """
    metrics: dict[str, float] = {}
    rows = []
    for regime in comparison.regimes:
        gain = regime.gain
        points = {"gain_pts": gain.value, "gain_pts_low": gain.low, "gain_pts_high": gain.high}
        metrics |= {f"{name}/{regime.name}": 100 * value for name, value in points.items()}
        metrics[f"rows/{regime.name}"] = float(regime.n_rows)
        rows.append(
            {
                "regime": regime.name,
                "rule": regime.kind,
                "rows": regime.n_rows,
                "champion loss": round(regime.champion_loss, 5),
                "challenger loss": round(regime.challenger_loss, 5),
                "gain": round(gain.value, 5),
                "low": round(gain.low, 5),
                "high": round(gain.high, 5),
            }
        )
    table = pd.DataFrame(rows)
    tags = {"decision": verdict.outcome, "champion": str(comparison.champion)}
    return Note(
        metrics, tags, texts={"comparison.md": _page(comparison, verdict, table)}, tables={"comparison.json": table}
    )


def _page(comparison: Comparison, verdict: Verdict, table: pd.DataFrame) -> str:
    header = "| " + " | ".join(table.columns) + " |\n|" + " --- |" * len(table.columns)
    body = [
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in table.itertuples(index=False)
    ]
    more = f"\n\nAbout {verdict.n_labels_needed} more labels would settle it." if verdict.n_labels_needed else ""
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    return (
        f"# {comparison.model}: generation {comparison.challenger} against {comparison.champion}\n\n"
        f"**{verdict.outcome}**\n\n{reasons}{more}\n\n"
        f"Gain is the champion's mean {comparison.loss} loss minus the challenger's on the same rows.\n\n"
        + "\n".join([header, *body])
        + "\n"
    )
