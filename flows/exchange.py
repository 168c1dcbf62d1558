"""Tasks out and answers home for one label request, exactly once whoever dies or gets no answer on the way.

The ledger says what is meant before anything is sent: the request, then that a sending has begun, then the project.
One process at a time exchanges for a model. Whoever comes after one that died knows that its last request may still be
under way at the server, gives it time to end, and reads before it sends anything again.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from math import isnan

from labeling.studio import Studio
from records.errors import Conflict, NotFound
from records.label import LabelRequest, OpenRequest
from records.schema import Schema
from store.ledger import Ledger
from store.locks import Held

_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """The label project a request belongs in: what is asked there, of how many people per row, and if it suggests."""

    title: str
    config: str
    instructions: str
    overlap: int = 1
    suggestions: bool = False

    def open(self, studio: Studio, *, in_doubt: bool) -> int:
        """Return the project; it is made if there is none."""
        return studio.open_project(
            self.title,
            self.config,
            self.instructions,
            overlap=self.overlap,
            suggestions=self.suggestions,
            in_doubt=in_doubt,
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one pull brought home: annotations that came, changed and went, and rows whose tasks were deleted by hand.

    `behind_seconds` is how far the ledger had fallen behind the server (`nan` at the first pull), `up_to` the moment up
    to which it is equal now. `altered` says what somebody changed in the labelling config, empty if nothing.
    """

    n_new: int
    n_edited: int
    n_deleted: int
    n_gone: int
    n_unreadable: int
    behind_seconds: float
    up_to: datetime
    altered: str = ""

    @property
    def sentence(self) -> str:
        """What a lead wants to read.

        >>> Fetched(3, 1, 0, 0, 0, 90.0, datetime(2013, 6, 1, 12, 31)).sentence
        'Up to date at 2013-06-01 12:31:00: 3 new answers, 1 edited since the pull 90 s before.'
        """
        counts = (
            (self.n_new, "new answer" if self.n_new == 1 else "new answers"),
            (self.n_edited, "edited"),
            (self.n_deleted, "deleted"),
            (self.n_gone, "task gone" if self.n_gone == 1 else "tasks gone"),
        )
        news = ", ".join(f"{n:,} {what}" for n, what in counts if n) or "nothing new"
        since = "" if isnan(self.behind_seconds) else f" since the pull {self.behind_seconds:,.0f} s before"
        unreadable = f" Answers that cannot be read: {self.n_unreadable}." if self.n_unreadable else ""
        altered = f" Mind: {self.altered}." if self.altered else ""
        return f"Up to date at {self.up_to:%Y-%m-%d %H:%M:%S}: {news}{since}.{unreadable}{altered}"


def hand_out(
    ledger: Ledger, studio: Studio, request: LabelRequest, place: Place, tasks: Sequence[Mapping[str, object]]
) -> int:
    """Bring the tasks of a saved request to people and return their project; again is no change.

    A row that was pushed before, or whose task was deleted by hand, is not pushed again. A request stays in the project
    it began in, whatever the settings say meanwhile. Raises `Conflict` if the request was closed meanwhile.
    """
    with _alone(ledger, request.model) as held:
        item = _open(ledger, request)
        known = {key for key, _ in item.task_ids}.union(item.gone)
        missing = [task for task in tasks if _row_key(task) not in known]
        if item.project is not None and not missing:
            return item.project
        in_doubt = ledger.outbox.sending(request.model, request.window)
        begun = item.project if item.task_ids else None
        project = begun if begun is not None else place.open(studio, in_doubt=in_doubt)
        if project != item.project:
            missing = [task for task in tasks if _row_key(task) not in item.gone]
        ledger.outbox.pushed(request.model, request.window, project, {})
        held.check()
        pushed = studio.push(project, missing, in_doubt=in_doubt)
        ledger.outbox.pushed(request.model, request.window, project, pushed)
        return project


def bring_home(ledger: Ledger, studio: Studio, model: str, project: int, schema: Schema) -> Fetched:
    """Make the ledger equal to what people did in a project since the last time; again is no change."""
    with _alone(ledger, model):
        return _fetch(ledger, studio, model, project, schema)


def _fetch(ledger: Ledger, studio: Studio, model: str, project: int, schema: Schema) -> Fetched:
    since = ledger.annotations.watermark(project)
    pull = studio.pull(project, schema, since, known=ledger.outbox.known(model, project))
    given_up = ledger.outbox.given_up(model, project)
    late = [key for _, key in pull.tasks if key in given_up]  # an import the server ended after the withdrawal
    taken = set(studio.withdraw(project, late)) if late else set()
    ledger.outbox.seen(model, project, [task for task in pull.tasks if task[1] not in taken])
    n_gone = ledger.outbox.gone(model, project, pull.gone)
    said = [one for one in pull.annotations if one.row_key not in taken]  # such a row was skipped, if anything
    changes = ledger.annotations.replace(project, dict(pull.tasks), said)
    ledger.annotations.advance(project, pull.seen_until)
    return Fetched(
        changes.n_new,
        changes.n_edited,
        changes.n_deleted,
        n_gone,
        pull.n_unreadable,
        pull.behind_seconds,
        pull.seen_until,
        pull.altered,
    )


def take_back(ledger: Ledger, studio: Studio, request: LabelRequest, schema: Schema, *, why: str) -> tuple[str, ...]:
    """Ask nobody about the unanswered rows of an open request any more, close it, and return their row keys.

    Whatever was sent for it is found, noted on the ledger or not, and the last answers are brought home.
    Raises `NotFound` if its project was deleted by hand; a request that was closed meanwhile has nothing to take back.
    """
    with _alone(ledger, request.model):
        found = [item for item in ledger.requests.open(request.model) if item.request.window == request.window]
        if not found:
            return ()
        (item,) = found
        gone: tuple[str, ...] = ()
        if item.project is not None:
            in_doubt = ledger.outbox.in_doubt(request.model, request.window)
            keys = [ask.row_key for ask in request.asks if ask.row_key not in item.gone]
            gone = studio.withdraw(item.project, keys, in_doubt=in_doubt)
            _spare_second_looks(ledger, studio, request, keys)
            ledger.outbox.gone(request.model, item.project, gone)
            _fetch(ledger, studio, request.model, item.project, schema)
        ledger.requests.close(request.model, request.window, f"withdrawn: {why}")
        return gone


def spare(ledger: Ledger, studio: Studio, request: LabelRequest, row_keys: Collection[str]) -> None:
    """Ask nobody about these rows of an open request any more; what somebody has answered stays."""
    with _alone(ledger, request.model):
        item = _open(ledger, request)
        keys = set(row_keys).difference(item.gone)
        if keys and item.project is not None:
            keys = set(studio.withdraw(item.project, sorted(keys)))
        _spare_second_looks(ledger, studio, request, row_keys)
        ledger.outbox.spare(request.model, request.window, keys)


def _spare_second_looks(ledger: Ledger, studio: Studio, request: LabelRequest, row_keys: Collection[str]) -> None:
    looks = [look for look in ledger.second_opinions.of(request.model, request.window) if look.row_key in row_keys]
    for project in sorted({look.project for look in looks if look.project is not None}):
        with suppress(NotFound):  # deleted by hand, and its tasks with it
            studio.withdraw(project, [look.row_key for look in looks if look.project == project])


def ask_again(
    ledger: Ledger, studio: Studio, request: LabelRequest, place: Place, tasks: Sequence[Mapping[str, object]]
) -> None:
    """Bring the second looks that are noted on the ledger to people; again is no change."""
    with _alone(ledger, request.model) as held:
        project = place.open(studio, in_doubt=True)  # whoever noted them may have died while sending
        ledger.second_opinions.placed(request.model, request.window, project, [_row_key(task) for task in tasks])
        held.check()
        ids = studio.push(project, tasks, in_doubt=True)
        ledger.second_opinions.pushed(request.model, request.window, project, ids)


def _alone(ledger: Ledger, model: str) -> AbstractContextManager[Held]:
    return ledger.lock(f"exchange of {model} with Label Studio", wait_seconds=_WAIT_SECONDS)


def _open(ledger: Ledger, request: LabelRequest) -> OpenRequest:
    for item in ledger.requests.open(request.model):
        if item.request.window == request.window:
            return item
    raise Conflict(
        f"the label request of window {request.window.name} of {request.model!r} was closed meanwhile; "
        "nothing is pushed for it"
    )


def _row_key(task: Mapping[str, object]) -> str:
    data = task["data"]
    assert isinstance(data, Mapping)
    return str(data["row_key"])
