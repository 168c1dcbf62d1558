"""What a crash left in MLflow of a generation that is not on the ledger, and how it is discarded.

MLflow's client is handed in by the door.
"""

from collections.abc import Collection
from typing import Any

from models.charge import alias

KEY = "driftloop.key"
PARENT = "mlflow.parentRunId"
_WHY = "driftloop.discarded"


def leftovers(client: Any, model: str, *, up_to: int, known: Collection[str], key: str) -> list[Any]:
    """Return the runs of generations up to a number that are not `known` and have another key.

    Those that were promoted, retired or rejected are left out: they are on a ledger, if not on this one.
    """
    experiment = client.get_experiment_by_name(model)
    if experiment is None:
        return []
    champion = alias(client, model, "champion")
    runs = client.search_runs([experiment.experiment_id], f"tags.`{KEY}` LIKE '{model}/%'")
    return [
        run
        for run in runs
        if run.info.run_id not in known
        and run.data.tags[KEY] != key
        and int(run.data.tags["generation"]) <= up_to
        and all(
            version.tags.get("status") == "candidate" and str(version.version) != champion
            for version in _versions(client, run)
        )
    ]


def discard(client: Any, run: Any, *, why: str) -> tuple[str, ...]:
    """Mark a run as failed and say why, delete what belongs to it, and return the versions that went.

    The key goes last, so that a discard that is itself cut off is found and done again.
    """
    run_id, experiment = run.info.run_id, run.info.experiment_id
    client.set_tag(run_id, _WHY, why)
    client.set_terminated(run_id, "FAILED")
    versions = _versions(client, run)
    for version in versions:
        client.delete_model_version(version.name, version.version)
    for model in client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    for child in client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'"):
        client.delete_run(child.info.run_id)
    client.delete_tag(run_id, KEY)
    return tuple(str(version.version) for version in versions)


def _versions(client: Any, run: Any) -> list[Any]:
    return list(client.search_model_versions(f"run_id = '{run.info.run_id}'"))
