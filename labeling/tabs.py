"""The tabs over a project's list of tasks, in which a lead sees at once how far it is."""

from labeling.rows import MARK, OPEN
from labeling.wire import Filter, where

# Neither the page's raw text, nor what the model thinks, nor what others answered: that would sway who sees it.
_HIDDEN = (
    f"data.{MARK}",
    *("data.opinion", "data.row_html", "data.row", "data.title", "predictions_results", "predictions_score"),
    *("predictions_model_versions", "total_predictions", "annotations_results", "annotations_ids", "inner_id"),
    *("file_upload", "storage_filename", "draft_exists", "updated_by", "created_at"),
)
_N_ANSWERS = "total_annotations"
_N_SKIPS = "cancelled_annotations"
_LATEST_FIRST = ("-tasks:updated_at",)
# Each with its conditions, the columns it needs no more, and its order.
_TABS: tuple[tuple[str, tuple[Filter, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("All", (), (), ()),
    (
        "To do",
        (where(_N_ANSWERS, "equal", "Number", 0), where(_N_SKIPS, "equal", "Number", 0), OPEN),
        ("annotators", "completed_at", "avg_lead_time", _N_ANSWERS, _N_SKIPS),
        (),
    ),
    ("Answered", (where(_N_ANSWERS, "greater", "Number", 0),), ("completed_at",), _LATEST_FIRST),
    ("Skipped", (where(_N_SKIPS, "greater", "Number", 0),), ("completed_at",), _LATEST_FIRST),
    ("Withdrawn", (where(f"data.{MARK}", "empty", "String", False),), ("completed_at",), _LATEST_FIRST),
)


def tabs() -> list[dict[str, object]]:
    """Return the tabs, each as Label Studio stores it: its title, its conditions, its order, and the columns it hides.

    >>> [tab["title"] for tab in tabs()]
    ['All', 'To do', 'Answered', 'Skipped', 'Withdrawn']
    """
    return [
        {
            "title": title,
            "type": "list",
            "ordering": list(order),
            "filters": {"conjunction": "and", "items": list(conditions)},
            "hiddenColumns": {place: _columns(hidden) for place in ("explore", "labeling")},
        }
        for title, conditions, hidden, order in _TABS
    ]


def _columns(hidden: tuple[str, ...]) -> list[str]:
    return [f"tasks:{name}" for name in (*_HIDDEN, *hidden)]
