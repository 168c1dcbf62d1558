"""The baseline of a window: made once per reference and size, kept in memory, its costly part on the ledger."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress

from pandas import DataFrame

from flows.reference import reference_rows
from flows.site import Site
from monitors.baseline import Baseline, batch_size, prepare
from records.batch import Batch
from records.errors import BadData, NotFound
from records.generation import Generation
from records.schema import Schema
from records.window import Window


def baseline_of(site: Site, generation: Generation, batch: Batch) -> tuple[Baseline, tuple[Window, ...]]:
    """Return what a batch is compared with, and the settled windows in it beside the generation's snapshot."""
    reference, settled = reference_rows(site, generation)
    return kept_baseline(site, reference, site.schema, batch, _origin(generation, settled)), settled


def calibrate(site: Site, window: Window) -> None:
    """Find out what is ordinary for the present champion at once, for batches like a window's; again is no change.

    A reference that cannot tell, or is gone, is for the next `watch` to complain of.
    """
    batch = site.ledger.steps.get(site.model, window, "ingest", Batch)
    if batch is not None:
        with suppress(BadData, NotFound):
            champion = site.champion()
            reference, settled = reference_rows(site, champion)
            origin = _origin(champion, settled)
            key, _ = _key(site, reference, site.schema, batch, origin)
            if site.ledger.calibrations.get(site.model, key) is None:
                kept_baseline(site, reference, site.schema, batch, origin)


def calibrate_next(site: Site) -> None:
    """Do so for a champion that took charge since the last window, as by an approval, by hand or by a rollback.

    Whoever puts it in charge need not wait for that; it is for the next `learn`, before the next `watch`.
    """
    windows, history = site.ledger.steps.windows(site.model, "ingest"), site.ledger.promotions.history(site.model)
    if windows and history and (history[-1].settled_at or history[-1].intended_at) > windows[-1].end:
        calibrate(site, windows[-1])


def kept_baseline(
    site: Site, reference: DataFrame, schema: Schema, batch: Batch, origin: Mapping[str, object]
) -> Baseline:
    """Return the baseline of a reference for batches like this one; `origin` says which rows the reference has.

    The null scores are looked up on the ledger under a key that stands for everything they follow from.
    """
    key, n_batch = _key(site, reference, schema, batch, origin)
    if key not in site.baselines:
        kept = site.ledger.calibrations.get(site.model, key)
        tests, seed = dict(site.settings.alarms.tests), site.settings.training.seed
        baseline = prepare(reference, schema, n_batch, length=batch.window.length, seed=seed, tests=tests, scores=kept)
        if kept is None:
            site.ledger.calibrations.save(site.model, key, baseline.scores)
        site.baselines[key] = baseline
    return site.baselines[key]


def _origin(generation: Generation, settled: tuple[Window, ...]) -> Mapping[str, object]:
    return {"snapshot": generation.snapshot.digest, "settled": [window.name for window in settled]}


def _key(
    site: Site, reference: DataFrame, schema: Schema, batch: Batch, origin: Mapping[str, object]
) -> tuple[str, int]:
    """Return what stands for everything the null scores follow from, and the number of rows they are for."""
    n_batch = batch_size(reference, schema.time, batch.n_sampled, length=batch.window.length)
    follows_from = {
        **origin,
        "n_batch": n_batch,
        "seconds": batch.window.length.total_seconds(),
        "numeric": sorted(schema.numeric),
        "categorical": sorted(schema.categorical),
        "datetime": sorted(schema.datetime),
        "text": sorted(schema.text),
        "tests": dict(site.settings.alarms.tests),
        "seed": site.settings.training.seed,
    }
    return hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest(), n_batch
