"""Where the pieces of a generation's record can be opened: MLflow, Label Studio, files."""

from pathlib import Path
from urllib.parse import quote

from flows.site import Site
from records.address import public
from records.drift import Alarm
from records.generation import Generation
from records.review import Link
from records.window import Window

_SHOWN_AS_MODELS = "workflowType=machine_learning"


def report_link(site: Site, alarm: Alarm) -> str:
    """Where the drift report of an alarm can be opened: MLflow's server if there is one, else the file itself."""
    path = drift_page(site, alarm.window)
    generation = site.ledger.generations.get(site.model, alarm.generation)
    if _served(site):
        # MLflow finds a run whichever experiment the address names, and shows the page instead of downloading it.
        return f"{run_link(site, generation)}/artifacts/{quote(path.name)}?{_SHOWN_AS_MODELS}"
    return path.as_uri()


def drift_page(site: Site, window: Window) -> Path:
    """Where the drift report of an alarming window is kept."""
    return site.settings.folder / "reports" / site.model / f"drift-{window.name}.html"


def run_link(site: Site, generation: Generation) -> str:
    """Where the run of a generation is, on MLflow's server."""
    return f"{public(site.settings.services.mlflow)}/#/experiments/0/runs/{generation.mlflow_run_id}"


def review_link(site: Site, generation: Generation) -> str | None:
    """Where the review page of a generation is shown, if MLflow has a server."""
    if not _served(site):
        return None
    return f"{run_link(site, generation)}/artifacts/review.html?{_SHOWN_AS_MODELS}"


def tasks_link(site: Site, window: Window) -> str:
    """Where the tasks of a window are in Label Studio, or, if none was sent, where its projects are."""
    project = site.ledger.requests.project(site.model, window)
    place = "/projects" if project is None else f"/projects/{project}/data"
    return f"{public(site.settings.services.label_studio)}{place}"


def generation_link(site: Site, generation: Generation) -> str | None:
    """Where MLflow shows a generation beside its parent, or, if it has none, alone; None if MLflow has no server."""
    if not _served(site):
        return None
    return _compare(site, generation) if generation.parent else f"{run_link(site, generation)}?{_SHOWN_AS_MODELS}"


def lineage(site: Site, generation: Generation, window: Window | None, alarm: Alarm | None) -> tuple[Link, ...]:
    """Return what a generation follows from, nearest first, each with an address where it has one."""
    services, snapshot = site.settings.services, generation.snapshot
    run, version = generation.mlflow_run_id, f"version {generation.version} of {site.model}"
    links = [
        Link("MLflow run", run, f"{run_link(site, generation)}?{_SHOWN_AS_MODELS}" if _served(site) else None),
        Link(
            "registered model",
            version,
            f"{public(services.mlflow)}/#/models/{site.model}/versions/{generation.version}?{_SHOWN_AS_MODELS}"
            if _served(site)
            else None,
        ),
    ]
    if generation.parent and _served(site):
        links.append(Link("compare in MLflow", f"with generation {generation.parent}", _compare(site, generation)))
    links.append(
        Link("snapshot", f"{snapshot.digest}: {snapshot.n_train:,} train, {snapshot.n_holdout:,} holdout rows")
    )
    if alarm is not None and alarm.raised and drift_page(site, alarm.window).exists():
        links.append(Link("Evidently report", drift_page(site, alarm.window).name, report_link(site, alarm)))
    if window is not None and (project := site.ledger.requests.project(site.model, window)) is not None:
        links.append(Link("Label Studio project", str(project), tasks_link(site, window)))
    links.append(Link("ledger", public(services.ledger)))
    return tuple(links)


def _compare(site: Site, generation: Generation) -> str:
    """Both versions side by side: the page of MLflow's that compares two runs asks for the number of the experiment."""
    parent = site.ledger.generations.get(site.model, generation.parent or generation.number)
    versions = ",".join(f'"{one.version}":"{one.mlflow_run_id}"' for one in (parent, generation))
    name, runs = quote(f'"{site.model}"'), quote(f"{{{versions}}}")
    return (
        f"{public(site.settings.services.mlflow)}/#/compare-model-versions?name={name}&runs={runs}&{_SHOWN_AS_MODELS}"
    )


def _served(site: Site) -> bool:
    return site.settings.services.mlflow.startswith("http")
