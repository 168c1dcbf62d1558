"""The baseline of a window: made once per reference and size, kept in memory, its costly part on the ledger."""

import hashlib
import json
from collections.abc import Mapping

from pandas import DataFrame

from flows.reference import reference_rows
from flows.site import Site
from monitors.baseline import Baseline, batch_size, prepare
from records.batch import Batch
from records.generation import Generation
from records.schema import Schema
from records.window import Window


def baseline_of(site: Site, generation: Generation, batch: Batch) -> tuple[Baseline, tuple[Window, ...]]:
    """Return what a batch is compared with, and the settled windows in it beside the generation's snapshot."""
    reference, settled = reference_rows(site, generation)
    origin = {"snapshot": generation.snapshot.digest, "settled": [window.name for window in settled]}
    return kept_baseline(site, reference, site.schema, batch, origin), settled


def calibrate(site: Site, window: Window) -> None:
    """Find out what is ordinary for the present champion at once, for batches like a window's; again is no change."""
    batch = site.ledger.steps.get(site.model, window, "ingest", Batch)
    if batch is not None:
        baseline_of(site, site.champion(), batch)


def kept_baseline(
    site: Site, reference: DataFrame, schema: Schema, batch: Batch, origin: Mapping[str, object]
) -> Baseline:
    """Return the baseline of a reference for batches like this one; `origin` says which rows the reference has.

    The null scores are looked up on the ledger under a key that stands for everything they follow from.
    """
    n_batch = batch_size(reference, schema.time, batch.n_sampled, length=batch.window.length)
    tests, seed = dict(site.settings.alarms.tests), site.settings.training.seed
    follows_from = {
        **origin,
        "n_batch": n_batch,
        "seconds": batch.window.length.total_seconds(),
        "numeric": sorted(schema.numeric),
        "categorical": sorted(schema.categorical),
        "datetime": sorted(schema.datetime),
        "text": sorted(schema.text),
        "tests": tests,
        "seed": seed,
    }
    key = hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()
    if key not in site.baselines:
        kept = site.ledger.calibrations.get(site.model, key)
        baseline = prepare(reference, schema, n_batch, length=batch.window.length, seed=seed, tests=tests, scores=kept)
        if kept is None:
            site.ledger.calibrations.save(site.model, key, baseline.scores)
        site.baselines[key] = baseline
    return site.baselines[key]
