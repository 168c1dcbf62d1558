"""How far something long is, as a bar in the Prefect UI."""

import logging
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.site import Site
from records.address import without_secrets

_SPANS = {"models of the snapshot": (0.0, 15.0), "candidates": (15.0, 85.0), "members": (85.0, 100.0)}
_log = logging.getLogger(__name__)


class ProgressBar:
    """A progress artifact that is made when it is first shown; where Prefect fails, the work goes on without it."""

    def __init__(self, key: str, description: str) -> None:
        self._key, self._description = key, description
        self._made: UUID | None = None
        self._failed = False

    def show(self, percent: float) -> None:
        """Move the bar to `percent`."""
        if self._failed:
            return
        try:
            if self._made is None:
                made = create_progress_artifact(percent, key=self._key, description=self._description)
                self._made = cast(UUID, made)
            else:
                update_progress_artifact(self._made, percent)
        except Exception as error:  # noqa: BLE001 - a bar is no reason to fail
            self._failed = True
            why = without_secrets(" ".join(str(error).split()))
            _log.warning("Prefect does not show how far %s is (%s); it goes on.", self._description, why)


class RetrainingBar:
    """Shows what `models.train.challenge` counts, one bar for each retraining."""

    def __init__(self, site: Site) -> None:
        self._key = artifact_key(site, "retraining")
        self._bar, self._last = self._new(), 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        """Say that so many of something are done; a lower share than before begins another bar."""
        percent = percent_of_retraining(what, done, of)
        if percent < self._last:
            self._bar = self._new()
        self._last = percent
        self._bar.show(percent)

    def _new(self) -> ProgressBar:
        return ProgressBar(self._key, "retraining")


def percent_of_retraining(what: str, done: int, of: int) -> float:
    """Return how far a retraining is, in percent; most of its time goes into trying out candidates.

    >>> [percent_of_retraining("candidates", done, 14) for done in (0, 7, 14)]
    [15.0, 50.0, 85.0]
    """
    begins, ends = _SPANS.get(what, (0.0, 100.0))
    return begins + (ends - begins) * done / max(of, 1)


def artifact_key(site: Site, what: str) -> str:
    """The key of one of a model's artifacts: Prefect allows small letters, digits and dashes."""
    return f"{site.model}-{what}".lower().replace("_", "-")
