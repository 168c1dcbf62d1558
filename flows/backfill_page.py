"""What a backfill shows in the Prefect UI."""

from collections.abc import Sequence

from prefect.artifacts import create_markdown_artifact

from flows.backfill import Filled
from flows.markdown import table, text
from flows.progress_bar import artifact_key
from flows.site import Site


def filled_page(model: str, items: Sequence[Filled]) -> str:
    """One line per window that was filled in."""
    rows = [(item.outcome, str(item.n_asked or ""), item.window.name, item.reason) for item in items]
    return f"# Backfill of {text(model)}\n\n{table(('outcome', 'asked', 'window', 'why'), rows)}"


def publish_filled(site: Site, items: Sequence[Filled]) -> None:
    """Keep the page in Prefect."""
    create_markdown_artifact(
        filled_page(site.model, items), key=artifact_key(site, "backfill-windows"), description="what became of each"
    )
