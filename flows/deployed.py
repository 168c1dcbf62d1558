"""The Prefect flows `watch`, `learn` and `backfill` as deployments run them: every step of the loop is a task."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.tasks import Task

from flows.artifacts import publish_learned, publish_watched, show
from flows.backfill import Filled, catch_up, fill, missed
from flows.backfill_page import publish_filled
from flows.events import tell_alarm, tell_verdict
from flows.learn import Learned
from flows.learn import learn as learn_by
from flows.progress_bar import ProgressBar, RetrainingBar, artifact_key
from flows.settings import load_settings
from flows.site import Site
from flows.untold import tell_untold
from flows.watch import watch as watch_by
from records.errors import ServiceDown
from records.window import in_utc


def as_task(step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step as a Prefect task, which tries again when a service is down and only then."""
    return task(
        name=step.__name__.replace("_", " "),
        retries=3,
        retry_delay_seconds=[2, 8, 30],
        retry_jitter_factor=0.5,
        retry_condition_fn=_service_was_down,
        cache_policy=NO_CACHE,
    )(step)(*arguments)


def _moment() -> datetime:
    """When this run was meant to start, however late it really does."""
    given = flow_run.parameters.get("moment")
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    return moment or flow_run.scheduled_start_time or datetime.now(UTC)


def _watch_name() -> str:
    settings = load_settings(Path(flow_run.parameters["settings"]))
    return f"watch {settings.model} {settings.window_at(_moment()).name}"


def _learn_name() -> str:
    return f"learn {load_settings(Path(flow_run.parameters['settings'])).model} {_moment():%Y-%m-%d %H:%M}"


def _backfill_name() -> str:
    given, model = flow_run.parameters, load_settings(Path(flow_run.parameters["settings"])).model
    return f"backfill {model} {str(given['start'])[:10]} to {str(given['end'])[:10]}"


@flow(name="watch", flow_run_name=_watch_name)
def watch(settings: str, moment: datetime | None = None) -> State[Any]:  # noqa: ARG001 - _moment reads it
    """Compare the window that was complete at `moment` (the scheduled time by default) and ask people if it alarms.

    Windows that were missed before it come first; one that cannot be watched yet does not keep it.
    """
    site = Site(load_settings(Path(settings)))
    window = site.settings.window_at(_moment())
    late = []
    for item in catch_up(site, window, run=as_task):
        tell_alarm(site, item.window)
        if item.outcome != "empty":
            late.append(item)
    if late:
        show(publish_filled, site, late)
    try:
        watched = watch_by(site, window, run=as_task)
    finally:
        tell_alarm(site, window)  # also where nobody could be asked yet
        tell_untold(site)
    show(publish_watched, site, watched)
    before = f"Missed before: {_counted(late)}. " if late else ""
    return Completed(message=f"{before}{watched.alarm.reason}")


@flow(name="learn", flow_run_name=_learn_name)
def learn(settings: str, impatient: bool = False) -> State[Any]:
    """Collect answers, and judge, retrain, compare and promote where there are enough of them.

    Runs of the model that have lost their process are ended first: Prefect leaves them running for ever.
    """
    from flows.check_prefect import end_lost  # which knows the deployments, and they these flows

    site = Site(load_settings(Path(settings)))
    end_lost(site)
    site.count = RetrainingBar(site)
    try:
        learned = learn_by(site, run=as_task, impatient=impatient)
        for item in learned:
            tell_verdict(site, item.progress.window)
            show(publish_learned, site, item)
    finally:
        tell_untold(site)  # also where one of several requests could not be learned from
    outcomes = [f"{item.progress.window.name}: {_outcome(item)}" for item in learned]
    return Completed(message="; ".join(outcomes) or "No label request is open.")


@flow(name="backfill", flow_run_name=_backfill_name)
def backfill(settings: str, start: datetime, end: datetime) -> State[Any]:
    """Watch every missed window between two moments, in order; what was watched before is skipped."""
    site = Site(load_settings(Path(settings)))
    windows = missed(site, in_utc(start), in_utc(end))
    bar = ProgressBar(artifact_key(site, "backfill"), "windows done")
    bar.show(0.0)
    done = []
    for item in fill(site, windows, run=as_task):
        done.append(item)
        tell_alarm(site, item.window)
        bar.show(100 * len(done) / len(windows))
    tell_untold(site)
    show(publish_filled, site, done)
    said = f"{len(done)} windows: {_counted(done)}."
    return Failed(message=said) if any(item.outcome == "failed" for item in done) else Completed(message=said)


def _counted(items: Sequence[Filled]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in Counter(item.outcome for item in items).items())


def _outcome(item: Learned) -> str:
    if item.verdict is not None:
        return item.verdict.outcome
    return f"{item.n_more} more rows are asked" if item.n_more else "waiting"


def _service_was_down(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), ServiceDown)
