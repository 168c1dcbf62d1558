"""Watch the windows that were missed, in order, as the schedule would have."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from flows.site import Site
from flows.watch import Run, by_hand, is_over, watch
from records.batch import PassedOver
from records.drift import Alarm
from records.errors import BadData, BadSettings, Conflict, DriftloopError, EmptyWindow
from records.label import LabelRequest
from records.window import Window, last_complete, windows_between

Outcome = Literal["quiet", "alarm", "done before", "empty", "failed"]
_PASSED_OVER = "passed over"


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of one window; `reason` is a sentence, and `n_asked` rows went to people."""

    window: Window
    outcome: Outcome
    reason: str
    n_asked: int = 0


def missed(site: Site, start: datetime, end: datetime) -> tuple[Window, ...]:
    """Return every window of the grid inside `[start, end]` that is complete by now, watched or not, in order.

    Raises `BadSettings` when there is none, and `NotFound` when the model was never adopted.
    """
    grid = site.settings.windows
    site.champion()
    latest = min(end, site.now() - timedelta(hours=grid.delay_hours))
    windows = windows_between(start, latest, length=grid.length, anchor=grid.anchor)
    if not windows:
        raise BadSettings(
            f"no complete window of {site.model!r} lies between {start:%Y-%m-%d %H:%M} and {latest:%Y-%m-%d %H:%M} UTC;"
            f" windows are {grid.length_hours:g} h long, so choose moments further apart"
        )
    return windows


def fill(site: Site, windows: Iterable[Window], *, run: Run = by_hand) -> Iterator[Filled]:
    """Watch the windows one after the other and yield what became of each; one that is on the ledger is not repeated.

    An open label request stops nothing: as on schedule, further alarms ask nobody while people are at work. A window
    without rows, or whose rows cannot be used, is noted as passed over, and the next call looks again; one that another
    process is at is left to it. A service that is away raises, and the next call goes on there.
    """
    for window in windows:
        yield _fill(site, window, run, noting=BadData)


def overdue(site: Site, until: datetime) -> tuple[Window, ...]:
    """Return the windows before a moment that were missed or left half-way since the first one watched, in order.

    What windows of an earlier grid covered, before their length or anchor was changed, was not missed.
    """
    grid, steps = site.settings.windows, site.ledger.steps
    seen, done = steps.windows(site.model, "ingest"), set(steps.windows(site.model, "ask"))
    if not seen:
        return ()
    every = windows_between(seen[0].start, until, length=grid.length, anchor=grid.anchor)
    otherwise = done - {one for one in done if one == last_complete(one.end, length=grid.length, anchor=grid.anchor)}
    return tuple(
        window
        for window in every
        if window not in done and not any(one.start < window.end and window.start < one.end for one in otherwise)
    )


def passed_over(site: Site) -> tuple[PassedOver, ...]:
    """Return what was noted of windows that have no rows, or none that can be used, in order.

    One whose rows were taken in since is no longer among them.
    """
    taken_in = set(site.ledger.steps.windows(site.model, "ingest"))
    noted = site.ledger.steps.history(site.model, _PASSED_OVER, PassedOver)
    return tuple(one for one in noted if one.window not in taken_in)


def catch_up(site: Site, window: Window, *, run: Run = by_hand) -> Iterator[Filled]:
    """Watch what is overdue among the `windows.catch_up` windows before one, and yield what became of each.

    Nothing is raised, so that the window itself can still be looked at: where something is away or refuses us, it ends
    there, and the next call tries again. A window without rows is noted, and tried again too: rows may come late. One
    whose rows cannot be used is not, so that a person hears of it.
    """
    farthest = window.start - site.settings.windows.catch_up * window.length
    for late in overdue(site, window.start):
        if late.start < farthest:
            continue
        try:
            yield _fill(site, late, run, noting=EmptyWindow)
        except DriftloopError as error:
            yield Filled(late, "failed", str(error))
            return


def _fill(site: Site, window: Window, run: Run, *, noting: type[BadData]) -> Filled:
    """Watch a window; where an error is of the kind worth `noting`, the ledger says that it was passed over."""
    steps = site.ledger.steps
    alarm = steps.get(site.model, window, "alarm", Alarm)
    request = steps.get(site.model, window, "ask", LabelRequest)
    if alarm is not None and request is not None:
        return Filled(window, "done before", alarm.reason, len(request.asks))
    try:
        watched = watch(site, window, run=run)
    except BadData as error:
        if isinstance(error, noting):
            _pass_over(site, window, str(error))
        return Filled(window, "empty" if isinstance(error, EmptyWindow) else "failed", str(error))
    except Conflict as error:
        return Filled(window, "failed", str(error))
    outcome: Outcome = "alarm" if watched.alarm.raised else "quiet"
    reason = f"{watched.alarm.reason} {watched.request.reason}" if watched.alarm.raised else watched.alarm.reason
    return Filled(window, outcome, reason, len(watched.request.asks))


def _pass_over(site: Site, window: Window, reason: str) -> None:
    if is_over(site, window):
        with suppress(Conflict):  # another process is noting the same
            site.once(window, _PASSED_OVER, PassedOver, lambda: PassedOver(site.model, window, reason))


def as_json(item: Filled) -> dict[str, object]:
    """The record as JSON-ready values; times are ISO 8601."""
    return {
        "start": item.window.start.isoformat(),
        "end": item.window.end.isoformat(),
        "outcome": item.outcome,
        "reason": item.reason,
        "n_asked": item.n_asked,
    }
