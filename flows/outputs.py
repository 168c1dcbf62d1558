"""Drift of what the model predicts and, where production knows the answers, of the target."""

from pandas import DataFrame
from sklearn.pipeline import Pipeline

from flows.baseline import kept_baseline
from flows.site import Site
from models.predictions import named, probabilities, values
from monitors.drift import measure
from records.batch import Batch
from records.drift import ColumnDrift
from records.generation import Generation
from records.schema import Schema


def measure_outputs(site: Site, generation: Generation, batch: Batch, current: DataFrame) -> tuple[ColumnDrift, ...]:
    """Compare predictions, and targets if every row has one, with those of the snapshot's holdout.

    The holdout alone, because a model is surer of the rows that taught it than of any others.
    """
    pipeline, holdout = site.pipeline(generation), site.holdout(generation)
    schema = _schema(site.schema, current)
    reference, now = (_rows(pipeline, frame, site.schema, schema) for frame in (holdout, current))
    origin = {"outputs of": generation.number, "snapshot": generation.snapshot.digest}
    baseline = kept_baseline(site, reference, schema, batch, origin)
    report = measure(
        baseline,
        now,
        model=site.model,
        window=batch.window,
        generation=generation.number,
        seed=site.settings.training.seed,
    )
    return report.columns


def _schema(schema: Schema, current: DataFrame) -> Schema:
    """The columns of outputs: a number for a probability or a predicted number, a category for one of many classes."""
    known = schema.target in current.columns and bool(current[schema.target].notna().all())
    numeric = [f"predicted probability of {schema.classes[-1]}"] if len(schema.classes) == 2 else []
    categorical = ["predicted class"] if len(schema.classes) > 2 else []
    if schema.task == "regression":
        numeric += ["prediction", *([schema.target] if known else [])]
    elif known:
        categorical.append(schema.target)
    return Schema(schema.row_key, schema.time, schema.target, schema.task, tuple(numeric), tuple(categorical))


def _rows(pipeline: Pipeline, frame: DataFrame, schema: Schema, outputs: Schema) -> DataFrame:
    columns: dict[str, object] = {name: frame[name] for name in (outputs.row_key, outputs.time)}
    for name in outputs.features:
        if name == schema.target:
            columns[name] = frame[name]
        elif schema.task == "regression":
            columns[name] = values(pipeline, frame, schema)
        elif outputs.numeric:
            columns[name] = probabilities(pipeline, frame, schema)[:, -1]
        else:
            columns[name] = named(pipeline, frame, schema)
    return DataFrame(columns).reset_index(drop=True)
