"""One batch against one snapshot: how much each column moved, and whether the whole is out of the ordinary."""

import numpy as np
from pandas import DataFrame, Series

from monitors.baseline import Baseline
from monitors.effect import change_of_share, distance, shift
from monitors.evidently_report import column_scores
from monitors.ranking import rank
from monitors.sketch import ColumnSketch
from monitors.text_change import text_change
from monitors.texts import TextSketch
from monitors.thresholds import ColumnTest, judge_columns
from monitors.words import Numbers, Shares, Texts, about_category, about_number, numbers_of, shares_of
from records.drift import ColumnDrift, DriftReport, Estimate, JointDrift
from records.errors import EmptyWindow
from records.window import Window

FEW_ROWS = 30
FEWEST_DRAWS = 19


def measure(
    baseline: Baseline, current: DataFrame, *, model: str, window: Window, generation: int, seed: int = 0
) -> DriftReport:
    """Measure how a batch differs from its baseline; it decides nothing.

    `current` are the batch's rows, normalised (`monitors.schema.check_frame`), of about the number that the baseline
    was made for. Method: `monitors.ranking` for the whole batch, `monitors.thresholds` for single columns,
    `monitors.effect` for how much they moved. A batch of more than half the reference's rows is compared by as many of
    its rows as that, and `notes` says so. Raises `EmptyWindow` for a batch without rows, `BadData` for a column that
    Evidently cannot test.
    """
    if current.empty:
        raise EmptyWindow(f"window {window.name} of {model!r} holds no row; choose another window")
    schema, null = baseline.schema, baseline.null
    compared = baseline.comparable(current)
    ranked = rank(null, compared, time=schema.time, seed=seed)
    tests = judge_columns(column_scores(baseline.sample, compared, schema, tests=baseline.tests), baseline.scores)
    sketches = {column.name: column for column in null.columns}
    columns = tuple(_describe(sketches[name], tests[name], baseline, compared, seed=seed) for name in schema.features)
    return DriftReport(
        model=model,
        window=window,
        generation=generation,
        n_reference=baseline.n_rows,
        n_current=len(current),
        n_chunks=ranked.n_draws,
        n_real_chunks=min(baseline.n_rows // len(compared), ranked.n_draws),
        columns=columns,
        joint=JointDrift(ranked.statistic, ranked.p_value, ranked.family, ranked.columns, ranked.distance),
        notes=_notes(baseline, current, compared, ranked.n_draws),
    )


def _describe(
    column: ColumnSketch, test: ColumnTest, baseline: Baseline, current: DataFrame, *, seed: int
) -> ColumnDrift:
    past, now, pieces = baseline.pasts[column.name], current[column.name], baseline.null.pieces
    unit = baseline.schema.unit(column.name)
    if isinstance(column, TextSketch):
        moved, sentence = text_change(past, column, now, pieces)
    elif isinstance(past.words, Numbers):
        moved = shift(past, now, pieces)
        sentence = about_number(past.words, numbers_of(now), moved, unit=unit)
    else:
        assert isinstance(past.words, Shares)
        new = past.counts.shape[1]  # a value the snapshot never had is not one of its rare ones
        codes = column.codes(now)
        codes[~(now.isin(past.values) | now.isna())] = new
        moved = distance(np.pad(past.counts, ((0, 0), (0, 1))), codes, pieces, seed=seed)
        sentence = about_category(past.words, shares_of(now))
    if test.score.part.of == "missing":
        moved = change_of_share(past.rows - past.known, past.rows, now.isna().to_numpy(), pieces)
    if column.name in baseline.schema.pii:
        sentence = "its values are personal and not shown"
    return ColumnDrift(
        column=column.name,
        method=test.score.method,
        score=test.score.score,
        threshold=test.threshold,
        p_value=test.p_value,
        adjusted_p=test.adjusted_p,
        effect=Estimate(float(moved.value), float(moved.low), float(moved.high)),
        drifted=test.drifted,
        sentence=sentence,
    )


def _notes(baseline: Baseline, current: DataFrame, compared: DataFrame, n_draws: int) -> tuple[str, ...]:
    notes: list[str] = []
    null, pieces = baseline.null, baseline.null.pieces
    if len(compared) < len(current):
        notes.append(
            f"The snapshot has only {baseline.n_rows} rows, so {len(compared)} of the batch's {len(current)} rows were"
            " compared with it."
        )
    if pieces.per_batch > 1:
        n_real = baseline.n_rows // len(compared)
        notes.append(
            f"Only {n_real} stretch{'es' * (n_real != 1)} of {len(compared)} rows fit in the snapshot, so"
            f" what is ordinary was learned from its {pieces.n_pieces} pieces of about"
            f" {baseline.n_rows // pieces.n_pieces} rows, {pieces.per_batch} at a time: swings slower than a piece"
            " count as drift."
        )
    if n_draws < FEWEST_DRAWS:
        notes.append(
            f"Only {n_draws} stretches of the snapshot could be compared with, too few to call a single column drifted."
        )
    if len(compared) < FEW_ROWS:
        rows = "1 row" if len(compared) == 1 else f"{len(compared)} rows"
        notes.append(f"The batch has {rows}: only a gross change can be told from chance.")
    constant = [
        column.name for column in null.columns if _one_value(baseline.pasts[column.name].words, compared[column.name])
    ]
    if constant:
        notes.append(f"Nothing to test, one value only: {', '.join(constant)}.")
    if null.n_pairs > len(null.pairs):
        n_columns = len({place for triple in null.triples for place in triple})
        notes.append(
            f"{len(null.pairs)} of {null.n_pairs} column pairs were looked at: those that depend most on each other in"
            f" the snapshot. Three columns together were looked at among {n_columns} of them."
        )
    return tuple(notes)


def _one_value(words: Numbers | Shares | Texts, now: Series) -> bool:
    """Whether a column has the same single value, and no gap, in the reference and in a batch."""
    if isinstance(words, Texts):
        return False
    value = now.iloc[0]
    if now.isna().any() or (now != value).any():
        return False
    if isinstance(words, Numbers):
        return words.share_missing == 0 and words.sd == 0 and words.mean == value
    return list(words.shares.index) == [value]
