"""Checks that the ledger, Label Studio, the alias in MLflow and the files on disk tell the same story."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from flows.ask import push_rest
from flows.backfill import overdue, passed_over
from flows.exchange import bring_home
from flows.promote import settle_promotions
from flows.site import Site
from records.batch import Batch
from records.check import Check
from records.drift import Alarm
from records.errors import NotFound
from records.label import OpenRequest
from records.window import Window

_MOST_NAMED = 3


def promotions(site: Site, repair: bool) -> Iterator[Check]:
    """Look for a promotion that a crash left half-way."""
    pending = site.ledger.promotions.pending(site.model)
    if not pending:
        yield Check("promotions", True, "none is pending")
        return
    said = f"the promotion of generation {pending[0].generation} was begun and not finished"
    if repair:
        settle_promotions(site)
        yield Check("promotions", True, said, repaired="finished it, or gave it up where another one is in charge")
    else:
        yield Check("promotions", False, said, "the next `driftloop learn`, or --repair, finishes it")


def champion(site: Site, repair: bool) -> Iterator[Check]:
    """Look whether the alias champion in MLflow is on the generation that the ledger says is in charge."""
    ours, named = site.champion(), site.registry.champion(site.model)
    if named == ours.version:
        yield Check("champion", True, f"generation {ours.number}, version {named}")
        return
    said = f"MLflow's champion is version {named}, the ledger's is generation {ours.number}, version {ours.version}"
    if repair and not site.ledger.promotions.pending(site.model):
        with site.ledger.lock(f"promotion:{site.model}", wait_seconds=60):
            site.registry.promote(site.model, ours.version, expected=named)
        yield Check("champion", True, said, repaired=f"moved the alias to version {ours.version}")
    else:
        advice = "--repair moves the alias back; `driftloop promote` is how to put another generation in charge"
        yield Check("champion", False, said, advice)


def windows(site: Site, _: bool) -> Iterator[Check]:
    """Look for windows that were missed since the first one, or left half-way."""
    grid, steps = site.settings.windows, site.ledger.steps
    done = steps.windows(site.model, "ask")
    latest = site.now() - timedelta(hours=grid.delay_hours) - grid.length / 2  # its run may be under way
    passed = [one.window for one in passed_over(site)]
    missed = [window for window in overdue(site, latest) if window not in passed]
    if not missed:
        said = f"{len(done)} watched, none missed" if done else "none was watched yet"
        unusable = f"; {len(passed)} had no rows that could be used, the last {passed[-1].name}" if passed else ""
        yield Check("windows", True, said + unusable)
        return
    half = [window for window in missed if steps.get(site.model, window, "alarm", Alarm) is not None]
    alarmed = f", {len(half)} of them with an alarm about which nobody was asked" if half else ""
    said = f"{len(missed)} were missed or left half-way{alarmed}: {_some([window.name for window in missed])}"
    begin, end = missed[0].start, missed[-1].end
    advice = f"run `driftloop backfill --from {begin:%Y-%m-%dT%H:%M:%S} --to {end:%Y-%m-%dT%H:%M:%S}`"
    yield Check("windows", False, said, advice)


def files(site: Site, _: bool) -> Iterator[Check]:
    """Look whether the snapshots of every generation and the samples that are still needed are on disk."""
    wanted: list[Path] = []
    for generation in site.ledger.generations.all(site.model):
        if generation.status != "rejected":
            wanted += [Path(generation.snapshot.train), Path(generation.snapshot.holdout)]
    batches = {batch.window: batch for batch in site.ledger.steps.history(site.model, "ingest", Batch)}
    asked = [window for window in batches if site.ledger.requests.get(site.model, window) is not None]
    wanted += [Path(batches[window].sample) for window in asked]
    lost = [str(path) for path in dict.fromkeys(wanted) if not path.exists()]
    if lost:
        advice = "restore services.folder from its backup, and let all workers share it"
        yield Check("files", False, f"{len(lost)} of {len(wanted)} are missing: {_some(lost)}", advice)
    else:
        yield Check("files", True, f"{len(wanted)} snapshots and samples are there")


def labels(site: Site, repair: bool) -> Iterator[Check]:
    """Look whether Label Studio holds the tasks of open requests, all of them and no other."""
    requests = site.ledger.requests.open(site.model)
    if not requests:
        yield Check("labels", True, "no label request is open")
    for item in requests:
        yield from _labels(site, item, repair)


def _labels(site: Site, item: OpenRequest, repair: bool) -> Iterator[Check]:
    window = item.request.window
    asked = set(item.request.row_keys)
    pushed = {row_key for row_key, _ in item.task_ids}
    there: set[str] = set()
    if item.project is not None:
        try:
            there = {row_key for _, row_key in site.studio.pull(item.project, site.schema).tasks}
        except NotFound as error:
            yield Check("labels", False, f"window {window.name}: {error}")
            return
    unsent, deleted = asked - pushed - set(item.gone), pushed - there - set(item.gone)
    strange = there - asked - _asked_elsewhere(site, window)
    told = (
        (unsent, "are not sent yet", "the next `driftloop learn`, or --repair, sends them"),
        (deleted, "were deleted by hand", "the next `driftloop learn`, or --repair, counts them as looked at"),
    )
    repaired = repair and bool(unsent or deleted)
    if repaired and unsent:
        push_rest(site, item.request)
    if repaired and deleted and item.project is not None:
        bring_home(site.ledger, site.studio, site.model, item.project, site.schema)
    for keys, what, advice in told:
        if keys:
            said = f"{len(keys)} of {len(asked)} tasks of window {window.name} {what}"
            done = "sent them" if keys is unsent else "noted it on the ledger"
            yield Check("labels", repair, said, *(("", done) if repair else (advice, "")))
    if strange:
        said = f"{len(strange)} tasks in project {item.project} were not made for this model: {_some(sorted(strange))}"
        yield Check("labels", False, said, "delete them in Label Studio; their answers count for nothing")
    if not (unsent or deleted or strange):
        yield Check(
            "labels", True, f"{len(there & asked)} tasks of window {window.name} are there, {item.n_answered} answered"
        )


def _asked_elsewhere(site: Site, window: Window) -> frozenset[str]:
    """Rows that other windows of the model asked about, whose tasks are in the same project."""
    request = site.ledger.requests.get(site.model, window)
    return site.ledger.requests.asked_keys(site.model) - frozenset(request.row_keys if request else ())


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(islice(names, _MOST_NAMED)) + (f" and {more} more" if more > 0 else "")
