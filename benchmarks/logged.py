"""What is in MLflow, as facts that two runs of the same phase share."""

from collections import Counter
from typing import Any

from mlflow import MlflowClient

_PARENT = "mlflow.parentRunId"


def in_mlflow(uri: str, model: str) -> tuple[Counter[str], str | None]:
    """Return what finished runs, versions and logged models hold, whatever is still running, and the alias `champion`.

    A run marked FAILED is what a rerun has put aside, and counts for nothing.
    """
    facts: Counter[str] = Counter()
    client = MlflowClient(uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(model)
    if experiment is None:
        return facts, None
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        if run.info.status == "FINISHED":
            facts.update(_of_run(client, run))
        elif run.info.status != "FAILED":
            facts[f"MLflow run {run.info.run_name} is still {run.info.status}"] += 1
    for version in client.search_model_versions(f"name = '{model}'"):
        told = f"MLflow version of generation {version.tags['generation']}"
        facts[f"{told}: {version.tags['status']}, described: {bool(version.description)}"] += 1
    for logged in client.search_logged_models([experiment.experiment_id]):
        facts[f"MLflow model of generation {logged.tags['generation']} is {logged.status}"] += 1
    found = client.search_registered_models(f"name = '{model}'")
    aliases = found[0].aliases if found else {}
    facts.update(f"alias {alias}" for alias in aliases)
    return facts, str(aliases["champion"]) if "champion" in aliases else None


def _of_run(client: MlflowClient, run: Any) -> Counter[str]:
    kind = "candidate" if _PARENT in run.data.tags else "run"
    told = f"MLflow {kind} {run.info.run_name}"
    facts = Counter([told])
    facts.update(f"{told}: metric {name}" for name in run.data.metrics)
    facts.update(f"{told}: parameter {name}" for name in run.data.params)
    facts.update(f"{told}: dataset {one.dataset.name}" for one in run.inputs.dataset_inputs)
    facts.update(f"{told}: file {one.path}" for one in client.list_artifacts(run.info.run_id))
    return facts
