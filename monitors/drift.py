"""One batch against one snapshot: how much each column moved, and whether the whole is out of the ordinary."""

from pandas import DataFrame

from monitors.calibration import Null, calibrate
from monitors.effect import change_of_share, distance, shift
from monitors.parts import bounded
from monitors.pieces import Pieces, largest_batch
from monitors.ranking import rank
from monitors.sketch import ColumnSketch
from monitors.thresholds import ColumnTest, judge_columns
from monitors.words import about_category, about_number
from records.drift import ColumnDrift, DriftReport, Estimate, JointDrift
from records.errors import EmptyWindow
from records.schema import Schema
from records.window import Window

FEW_ROWS = 30
FEWEST_DRAWS = 19


def measure(
    reference: DataFrame,
    current: DataFrame,
    schema: Schema,
    *,
    model: str,
    window: Window,
    generation: int,
    seed: int = 0,
    n_chunks: int = 120,
) -> DriftReport:
    """Measure how a batch differs from the snapshot; it decides nothing.

    `reference` is the snapshot, train and holdout together, in its own time; `current` are the batch's rows; both are
    normalised (`monitors.schema.check_frame`). Method: `monitors.ranking` for the whole batch,
    `monitors.thresholds` for single columns, `monitors.effect` for how much they moved. A batch of more than half the
    snapshot's rows is compared by as many of its rows as that, and `notes` says so. Raises `EmptyWindow` for a batch
    without rows, `BadData` for a snapshot of fewer than 20 rows or a column that Evidently cannot test.
    """
    if current.empty:
        raise EmptyWindow(f"window {window.name} of {model!r} holds no row; choose another window")
    compared = bounded(current, schema, largest_batch(len(reference)))
    null = calibrate(reference, schema, len(compared), length=window.length, seed=seed, n_chunks=n_chunks)
    ranked = rank(null, compared, time=schema.time, seed=seed)
    tests = judge_columns(reference, compared, schema, null.pieces, seed=seed)
    units = dict(schema.units)
    columns = tuple(
        _describe(column, test, reference, compared, null.pieces, seed=seed, unit=units.get(column.name, ""))
        for column, test in ((_named(null, name), tests[name]) for name in schema.features)
    )
    return DriftReport(
        model=model,
        window=window,
        generation=generation,
        n_reference=len(reference),
        n_current=len(current),
        n_chunks=ranked.n_draws,
        n_real_chunks=min(null.pieces.n_real, ranked.n_draws),
        columns=columns,
        joint=JointDrift(ranked.statistic, ranked.p_value, ranked.family, ranked.columns, ranked.distance),
        notes=_notes(reference, current, compared, null, ranked.n_draws),
    )


def _named(null: Null, name: str) -> ColumnSketch:
    return next(column for column in null.columns if column.name == name)


def _describe(
    column: ColumnSketch,
    test: ColumnTest,
    reference: DataFrame,
    current: DataFrame,
    pieces: Pieces,
    *,
    seed: int,
    unit: str,
) -> ColumnDrift:
    before, now = reference[column.name], current[column.name]
    if test.score.part.of_missing:
        effect = change_of_share(before.isna().to_numpy(), now.isna().to_numpy(), pieces)
    elif column.numeric:
        effect = shift(before, now, pieces)
    else:
        new = len(column.levels) + 2  # a value the snapshot never had is not one of its rare ones
        codes = column.codes(now)
        codes[~(now.isin(before.unique()) | now.isna())] = new
        effect = distance(column.codes(before), codes, new + 1, pieces, seed=seed)
    moved = shift(before, now, pieces) if column.numeric else effect
    sentence = about_number(before, now, moved, unit=unit) if column.numeric else about_category(before, now)
    return ColumnDrift(
        column=column.name,
        method=test.score.method,
        score=test.score.score,
        threshold=test.threshold,
        p_value=test.p_value,
        adjusted_p=test.adjusted_p,
        effect=Estimate(float(effect.value), float(effect.low), float(effect.high)),
        drifted=test.drifted,
        sentence=sentence,
    )


def _notes(reference: DataFrame, current: DataFrame, compared: DataFrame, null: Null, n_draws: int) -> tuple[str, ...]:
    notes: list[str] = []
    pieces = null.pieces
    if len(compared) < len(current):
        notes.append(
            f"The snapshot has only {len(reference)} rows, so {len(compared)} of the batch's {len(current)} rows were"
            " compared with it."
        )
    if pieces.per_batch > 1:
        notes.append(
            f"Only {pieces.n_real} stretch{'es' * (pieces.n_real != 1)} of {len(compared)} rows fit in the snapshot, so"
            f" what is ordinary was learned from its {pieces.n_pieces} pieces of about"
            f" {len(reference) // pieces.n_pieces} rows, {pieces.per_batch} at a time: swings slower than a piece count"
            " as drift."
        )
    if n_draws < FEWEST_DRAWS:
        notes.append(
            f"Only {n_draws} stretches of the snapshot could be compared with, too few to call a single column drifted."
        )
    if len(compared) < FEW_ROWS:
        rows = "1 row" if len(compared) == 1 else f"{len(compared)} rows"
        notes.append(f"The batch has {rows}: only a gross change can be told from chance.")
    constant = [
        column.name
        for column in null.columns
        if len(set(reference[column.name].dropna().unique()) | set(compared[column.name].dropna().unique())) <= 1
        and not (reference[column.name].isna().any() or compared[column.name].isna().any())
    ]
    if constant:
        notes.append(f"Nothing to test, one value only: {', '.join(constant)}.")
    if null.n_pairs > len(null.pairs):
        notes.append(
            f"{len(null.pairs)} of {null.n_pairs} column pairs were looked at: those that depend most on each other in"
            " the snapshot."
        )
    return tuple(notes)
