"""What a generation's run in MLflow says: params, metrics, rows, notes, and a child run per candidate.

MLflow's client is handed in by the door.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.candidates import candidate_runs
from models.entry import Draft, Note, Rows
from models.leftovers import KEY, PARENT
from models.naming import defined, fit_params, shortened

_NOTE = "mlflow.note.content"
_LISTED = "mlflow.loggedArtifacts"
_LONGEST = 5000


def experiment_of(client: Any, model: str, *, place: str | None) -> str:
    """Return the id of a model's experiment, made when it is first asked for, with its files at `place`."""
    found = client.get_experiment_by_name(model)
    if found is not None:
        return str(found.experiment_id)
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        _NOTE: f"A run per generation of {model}; below each, the candidates it was chosen from.",
    }
    return str(client.create_experiment(model, artifact_location=place, tags=tags))


def begin(client: Any, draft: Draft, experiment: str) -> str:
    """Start the run of a generation and return its id."""
    from mlflow.entities import Param

    tags = {
        KEY: draft.key,
        "generation": str(draft.number),
        "snapshot": draft.snapshot.digest,
        _NOTE: shortened(draft.description, _LONGEST),
    }
    run_id = str(client.create_run(experiment, tags=tags | dict(draft.tags), run_name=draft.name).info.run_id)
    client.log_batch(run_id, params=[Param(*pair) for pair in fit_params(draft.fit).items()])
    return run_id


def log_candidates(client: Any, draft: Draft, experiment: str, run_id: str) -> None:
    """Log a child run per candidate, in three calls each, however much there is to say about it."""
    from mlflow.entities import Metric, Param

    for one in candidate_runs(draft):
        tags = {PARENT: run_id, **one.tags}
        child = str(client.create_run(experiment, tags=tags, run_name=one.name).info.run_id)
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, 0) for key, value in defined(one.metrics).items()]
        client.log_batch(child, metrics=metrics, params=[Param(*pair) for pair in one.params.items()])
        client.set_terminated(child, "FINISHED")


def log_datasets(client: Any, draft: Draft, run_id: str) -> tuple[str, str]:
    """Log what taught and what scored a generation, and return name and digest of the latter."""
    snapshot, target = draft.snapshot, draft.schema.target
    for context, frame, path in (
        ("training", draft.train, snapshot.train),
        ("evaluation", draft.holdout, snapshot.holdout),
    ):
        rows = Rows(path.stem, snapshot.digest, frame.head(100), str(path))
        log_rows(client, run_id, rows, context, target=target)
    return snapshot.holdout.stem, snapshot.digest[:36]


def log_rows(client: Any, run_id: str, rows: Rows, context: str, *, target: str | None = None) -> None:
    """List rows as a dataset of a run, under what they were used for."""
    import mlflow.data
    from mlflow.entities import DatasetInput, InputTag

    data = mlflow.data.from_pandas(
        rows.head, source=rows.source, targets=target, name=rows.name, digest=rows.digest[:36]
    )
    inputs = [DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", context)])]
    client.log_inputs(run_id, inputs)


def log_metrics(
    client: Any,
    run_id: str,
    metrics: Mapping[str, float],
    *,
    model_id: str | None = None,
    dataset: tuple[str, str] = ("", ""),
    step: int = 0,
) -> None:
    """Log those metrics that are defined, of a model if it is given; they are measured on a dataset if named after it.

    A `dataset` is its name and digest.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    name, digest = dataset
    entities = [
        Metric(
            key,
            value,
            now,
            step,
            model_id=model_id,
            dataset_name=name if name and key.startswith(f"{name}.") else None,
            dataset_digest=digest if name and key.startswith(f"{name}.") else None,
            run_id=run_id,
        )
        for key, value in defined(metrics).items()
    ]
    if entities:
        client.log_batch(run_id, metrics=entities)


def add(client: Any, run_id: str, note: Note) -> None:
    """Add a note to a run and its version; metrics that are known already keep the history they have."""
    run = client.get_run(run_id)
    if note.rows is not None:
        log_rows(client, run_id, note.rows, "audit")
    outputs = run.outputs.model_outputs if run.outputs else []
    _log_new_metrics(client, run, note, model_id=outputs[0].model_id if outputs and note.rows else None)
    _tag(client, run_id, note)
    log_files(client, run_id, note)
    if note.version_tags or note.description:
        _describe_version(client, run_id, note)


def log_files(client: Any, run_id: str, note: Note) -> None:
    """Put a note's files into the root of a run, where MLflow's comparison page looks for them."""
    for path in note.artifacts:
        client.log_artifact(run_id, str(path))
    # `log_table` would append to the rows of an earlier note; this is the file and the tag it writes.
    tables = {name: table.to_json(orient="split", index=False) for name, table in note.tables.items()}
    contents = {name: text.encode() for name, text in (dict(note.texts) | tables).items()} | dict(note.files)
    if contents:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in contents.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            client.log_artifacts(run_id, folder)
    if note.tables:
        earlier = json.loads(client.get_run(run_id).data.tags.get(_LISTED, "[]"))
        listed = {entry["path"]: entry for entry in earlier} | {
            name: {"path": name, "type": "table"} for name in note.tables
        }
        client.set_tag(run_id, _LISTED, json.dumps(list(listed.values())))


def _log_new_metrics(client: Any, run: Any, note: Note, *, model_id: str | None) -> None:
    run_id, known = run.info.run_id, run.data.metrics
    new = {key: value for key, value in defined(note.metrics).items() if known.get(key) != value}
    of_rows = {key: value for key, value in new.items() if note.rows and key.startswith(f"{note.rows.name}.")}
    if note.rows:
        dataset = (note.rows.name, note.rows.digest[:36])
        log_metrics(client, run_id, of_rows, model_id=model_id, dataset=dataset, step=note.step)
    log_metrics(client, run_id, {key: new[key] for key in new if key not in of_rows}, step=note.step)


def _tag(client: Any, run_id: str, note: Note) -> None:
    from mlflow.entities import RunTag

    described = {_NOTE: note.description} if note.description else {}
    tags = [RunTag(name, shortened(value, _LONGEST)) for name, value in (dict(note.tags) | described).items()]
    if tags:
        client.log_batch(run_id, tags=tags)


def _describe_version(client: Any, run_id: str, note: Note) -> None:
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        for name, value in note.version_tags.items():
            if version.tags.get(name) != value:
                client.set_model_version_tag(version.name, version.version, name, shortened(value, _LONGEST))
        description = shortened(note.description, _LONGEST)
        if description and version.description != description:
            client.update_model_version(version.name, version.version, description)
