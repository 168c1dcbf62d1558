"""A generation's files in MLflow, and the version of the registered model that stands for them.

MLflow's client is handed in by the door.
"""

import json
from pathlib import Path
from typing import Any

from models.charge import alias
from models.entry import Draft
from models.naming import fit_params, shortened
from models.serialization import serialization
from records.errors import NotFound
from records.schema import Schema


def log_model(client: Any, draft: Draft, experiment: str, run_id: str, path: Path) -> str:
    """Write a generation's files to a folder that is not there yet, log them, and return their model's id."""
    import mlflow.sklearn
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    options = serialization(draft.pipeline)
    tags = {"generation": str(draft.number)}
    created = client.create_logged_model(experiment, draft.name, run_id, tags, fit_params(draft.fit), "sklearn")
    head = draft.holdout[list(draft.schema.features)].head(0 if draft.schema.pii else 5)
    mlflow.sklearn.save_model(
        draft.pipeline,
        path,
        mlflow_model=Model(artifact_path=created.artifact_location, run_id=run_id, model_id=created.model_id),
        signature=_signature(draft.schema),
        input_example=head if len(head) else None,
        **options,
    )
    client.log_model_artifacts(created.model_id, str(path))
    client.log_outputs(run_id, [LoggedModelOutput(created.model_id, step=0)])
    client.finalize_logged_model(created.model_id, "READY")
    return str(created.model_id)


def register(client: Any, draft: Draft, run_id: str, model_id: str, *, has_server: bool) -> None:
    """Register the files as the next version of the model, with the alias `challenger`."""
    if not client.search_registered_models(f"name = '{draft.model}'"):
        client.create_registered_model(draft.model, description="A model monitored by Driftloop.")
    tags = {
        "generation": str(draft.number),
        "status": "candidate",
        "estimator": draft.fit.estimator,
        "recipe": draft.fit.recipe,
    }
    description = shortened(draft.description or draft.name, 5000)
    source = f"models:/{model_id}"
    if not has_server:  # MLflow's own store would look that up in its global address
        source = client.get_logged_model(model_id).artifact_location
    entry = client.create_model_version(draft.model, source, run_id, tags, description=description, model_id=model_id)
    link = json.dumps([{"name": draft.model, "version": entry.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
    client.set_registered_model_alias(draft.model, "challenger", entry.version)


def versions_of(client: Any, model: str) -> frozenset[str]:
    """Return every version there is of a registered model, page by page; none of a model that is not there."""
    found, token = set[str](), None
    while True:
        page = client.search_model_versions(f"name = '{model}'", page_token=token)
        found |= {str(one.version) for one in page}
        if not (token := page.token):
            return frozenset(found)


def located(client: Any, address: str, *, where: str) -> str:
    """Return where the files of a model are; MLflow itself would ask its global address for a `models:/…` one.

    Raises `NotFound` when no version has the alias; `where` names this MLflow.
    """
    name, separator, version = address.removeprefix("models:/").rpartition("@" if "@" in address else "/")
    if not address.startswith("models:/") or not separator:
        return address
    if separator == "@":
        version = alias(client, name, version) or ""
    if not version:
        raise NotFound(f"MLflow at {where!r} does not have model {address!r}; no version has this alias")
    return str(client.get_model_version_download_uri(name, version))


def _signature(schema: Schema) -> Any:
    """The features as MLflow writes them; a category or text may be missing, so it is optional."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType
    from mlflow.types import Schema as Columns

    numeric = [ColSpec(DataType.double, name) for name in schema.numbers]
    texts = [ColSpec(DataType.string, name, required=False) for name in (*schema.categorical, *schema.text)]
    answer = DataType.string if schema.task == "classification" else DataType.double
    return ModelSignature(inputs=Columns([*numeric, *texts]), outputs=Columns([ColSpec(answer)]))
