"""Look at everything a monitored model depends on, say what is wrong in one line each, and repair what is safe."""

from collections.abc import Callable, Iterator
from pathlib import Path

from flows.check_deployments import automations, deployments, schedules
from flows.check_machine import disk, folder
from flows.check_models import model, versions
from flows.check_prefect import runs, slots
from flows.check_records import champion, files, labels, promotions, windows
from flows.check_services import label_studio, ledger, mlflow, prefect, table
from flows.settings import load_settings
from flows.site import Site
from records.check import Check
from records.errors import BadSettings, DriftloopError

Look = Callable[[Site, bool], Iterator[Check]]
"""Looks at one thing, repairs it if it may, and yields what it found."""

CHECKS: tuple[tuple[str, Look, str | None], ...] = (
    ("folder", folder, None),
    ("disk", disk, None),
    ("ledger", ledger, None),
    ("table", table, None),
    ("Prefect", prefect, None),
    ("MLflow", mlflow, None),
    ("Label Studio", label_studio, None),
    ("deployments", deployments, "Prefect"),
    ("schedule", schedules, "Prefect"),
    ("automations", automations, "Prefect"),
    ("flow runs", runs, "Prefect"),
    ("concurrency", slots, "Prefect"),
    ("promotions", promotions, "ledger"),
    ("champion", champion, "ledger"),
    ("versions", versions, "ledger"),
    ("model", model, "ledger"),
    ("windows", windows, "ledger"),
    ("files", files, "ledger"),
    ("labels", labels, "ledger"),
)
"""What is looked at, in this order; the last part names what must be well for a look to make sense."""


def examine(path: Path, *, repair: bool = False) -> Iterator[Check]:
    """Look at the model of one settings file; every trouble is a `Check`, none is raised."""
    try:
        site = Site(load_settings(path))
    except BadSettings as error:
        yield Check("settings", False, str(error))
        return
    yield Check("settings", True, f"{site.model}, {path}")
    yield from examine_site(site, repair=repair)


def examine_site(site: Site, *, repair: bool = False) -> Iterator[Check]:
    """Look at an opened model; what depends on something that is ill is left out, since it can say nothing new."""
    ill: set[str] = set()
    for name, look, needs in CHECKS:
        if needs in ill:
            ill.add(name)
            continue
        try:
            for check in look(site, repair):
                if not check.ok:
                    ill.add(name)
                yield check
        except DriftloopError as error:
            ill.add(name)
            yield Check(name, False, str(error))
