"""Streams: how much of what every label would regain does the loop regain with a few, on any table in order of time."""

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import stream_worlds
from benchmarks.report import DOCS, Findings, Steps, Table, arguments, carry_out
from benchmarks.stream_loop import ours
from benchmarks.stream_rivals import Terms, first_models, frozen, full, scheduled
from benchmarks.stream_rows import N_WINDOWS, Stream, as_stream, read_stream
from benchmarks.stream_score import FLOOR, recovered_gain

ABOUT = "What a few labels regain on a stream, against none, random ones on schedule, and every label."
ESTIMATORS = ("random_forest", "extra_trees", "linear", "boosting")
QUICK_ESTIMATORS = ("random_forest", "linear")


@dataclass(frozen=True, slots=True)
class Played:
    """The scores of every competitor in every window of a stream, and how often the gate let a challenger through."""

    stream: Stream
    frozen: list[float]
    scheduled: list[float]
    growing: list[float]
    sliding: list[float]
    ungated: list[float]
    gated: list[float]
    n_promoted: int

    @property
    def full(self) -> list[float]:
        """What every label gives: growing or sliding, whichever is better on average."""
        return max(self.growing, self.sliding, key=lambda scores: float(np.mean(scores)))

    def gain(self, scores: Sequence[float]) -> float:
        """The share of the gain of every label that some scores have."""
        return recovered_gain(scores, self.frozen, self.full)


def played(stream: Stream, terms: Terms, steps: Steps) -> Played:
    """Let all competitors go through a stream."""
    with steps.counted(stream.name, 5 * len(stream.windows)) as step:
        models = first_models(stream, terms)
        estimator, champion = next(iter(models.items()))
        without, _ = ours(stream, terms, champion, gated=False, count=step)
        gated, n_promoted = ours(stream, terms, champion, gated=True, count=step)
        return Played(
            stream,
            frozen(stream, champion),
            scheduled(stream, terms, champion, estimator, step),
            full(stream, terms, models, sliding=False, count=step),
            full(stream, terms, models, sliding=True, count=step),
            without,
            gated,
            n_promoted,
        )


def measured(asked: argparse.Namespace, steps: Steps) -> Findings:
    """Play every stream that was asked for."""
    estimators = QUICK_ESTIMATORS if asked.quick else ESTIMATORS
    cores = asked.cores or (1 if asked.quick else os.cpu_count() or 1)  # starting processes would take the time
    terms = Terms(estimators, asked.label_share, asked.seed, cores)
    return _findings([played(stream, terms, steps) for stream in _streams(asked)], asked, terms)


def _streams(asked: argparse.Namespace) -> list[Stream]:
    max_rows = min(asked.max_rows, 1_500) if asked.quick else asked.max_rows
    n_windows = 3 if asked.quick else N_WINDOWS
    if asked.files:
        columns = zip(asked.files, _each(asked.target, asked.files), _each(asked.time, asked.files), strict=True)
        task = None if asked.task == "infer" else asked.task
        return [
            read_stream(file, target, time, task=task, max_rows=max_rows, n_windows=n_windows, seed=asked.seed)
            for file, target, time in columns
        ]
    from deploy import flights

    frame = flights.read().drop(columns=flights.SCHEMA.row_key)
    target, time = flights.SCHEMA.target, flights.SCHEMA.time
    real = as_stream("flights", frame, target, time, max_rows=max_rows, n_windows=n_windows, seed=asked.seed)
    generated = stream_worlds.generated(min(max_rows, 10_000), n_windows=n_windows, seed=asked.seed)
    return [real] if asked.quick else [real, *generated]


def _each(names: Sequence[str], files: Sequence[Path]) -> Sequence[str]:
    return list(names) * len(files) if len(names) == 1 else names


def _findings(found: Sequence[Played], asked: argparse.Namespace, terms: Terms) -> Findings:
    gains = {one.stream.name: one.gain(one.ungated) for one in found}
    gated = {one.stream.name: one.gain(one.gated) for one in found}
    random = {one.stream.name: one.gain(one.scheduled) for one in found}
    rows = [
        (
            one.stream.name,
            one.stream.n_rows,
            *(float(np.mean(s)) for s in (one.frozen, one.scheduled, one.growing, one.sliding, one.ungated, one.gated)),
            one.n_promoted,
            *(one.gain(scores) for scores in (one.scheduled, one.ungated, one.gated)),
        )
        for one in found
    ]
    header = ("stream", "rows", "frozen", "scheduled", "all, growing", "all, sliding", "ours", "ours, gated")
    note = (
        "Scores are means over the windows: balanced accuracy, or for a regression minus the RMSE in standard"
        " deviations of the target. Recovered is (score - frozen) / (all labels - frozen), with the better of growing"
        f" and sliding; where that gain is below {FLOOR} the stream shows nothing to recover, it has no share (–) and"
        " does not count in the mean."
    )
    table = Table(
        "Scores and recovered gain",
        (*header, "promotions", "recovered, scheduled", "recovered, ours", "recovered, gated"),
        rows,
        note,
    )
    windows = Table(
        "Window by window",
        ("stream", "competitor", *(str(number) for number in range(1, len(found[0].stream.windows) + 1))),
        [
            (one.stream.name, name, *scores)
            for one in found
            for name, scores in (
                ("frozen", one.frozen),
                ("all labels", one.full),
                ("ours", one.ungated),
                ("gated", one.gated),
            )
        ],
    )
    about = (
        "The first 20 % of a stream are the snapshot (a quarter of it the holdout), the rest is equal windows."
        f" The model in charge predicts a window, then {100 * terms.label_share:g} % of its rows are labelled and teach"
        f" the model for the next. There are {', '.join(terms.estimators)}, and all classes count the same. *Scheduled*"
        " retrains the one that did best on the first holdout on random labels, which weigh half as much as the"
        " snapshot. *All* is taught by every label, and uses what did best in the last three windows, or the mean of"
        " all. *Ours* is the project's own drawing of labels and `models.train.challenge`, whose challenger always"
        " takes over: nothing is judged, so all labels teach. *Gated*: half of the labels first judge the challenger,"
        " and `models.promote` decides at its defaults, on a gain on these labels and no loss on the holdout. It"
        " promotes what is proved, which few labels seldom do; there are no vetoes by slice, group, bias or memory, and"
        " no alarms."
    )
    for one in found:
        about += f" {one.stream.name}: {one.stream.note}." if one.stream.note else ""
    nothing = [one.stream.name for one in found if np.isnan(one.gain(one.full))]
    figures = {
        "recovered_gain": gains,
        "mean_recovered_gain": _mean(gains.values()),
        "recovered_gain_gated": gated,
        "mean_recovered_gain_gated": _mean(gated.values()),
        "recovered_gain_scheduled": random,
        "mean_recovered_gain_scheduled": _mean(random.values()),
        "nothing_to_recover": {
            one.stream.name: float(np.mean(one.ungated) - np.mean(one.frozen))
            for one in found
            if one.stream.name in nothing
        },
        "label_share": asked.label_share,
    }
    return Findings(about, (table, windows), figures)


def _mean(gains: Iterable[float]) -> float:
    known = [gain for gain in gains if not np.isnan(gain)]
    return float(np.mean(known)) if known else float("nan")


def main() -> None:
    """Run as `python -m benchmarks.streams [FILE… --target COLUMN --time COLUMN]`."""
    parser = arguments("streams", about=ABOUT)
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="Parquet files; without one, flights and generated streams")
    add(
        "--target",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="what is predicted: one for all files, or one for each",
    )
    add("--time", nargs="+", default=[], metavar="COLUMN", help="what orders the rows, likewise")
    add("--label-share", type=float, default=0.05, help="share of each window's rows that is labelled (0.05)")
    add("--max-rows", type=int, default=50_000, help="at most so many rows of a file, drawn at random (50000)")
    add("--task", choices=("infer", "classification", "regression"), default="infer", help="of the target (inferred)")
    add("--seed", type=int, default=0, help="of everything that is drawn (0)")
    add("--cores", type=int, default=None, help="processes that candidates are tried in (all cores)")
    add("--page", type=Path, default=None, metavar="FILE", help="write the tables to this file, too")
    asked = parser.parse_args()
    for names, option in ((asked.target, "--target"), (asked.time, "--time")):
        if asked.files and len(names) not in (1, len(asked.files)):
            parser.error(
                f"{option} needs one column for all {len(asked.files)} files, or one each; put the files first"
            )
    if len({file.stem for file in asked.files}) < len(asked.files):
        parser.error("two files have the same name, which is what tells their streams apart; give one another name")
    if not 0 < asked.label_share < 1:
        parser.error(f"--label-share {asked.label_share} is no share; give one above 0 and below 1")
    default = None if asked.quick or asked.files else DOCS / "streams.md"
    carry_out("streams", partial(measured, asked), page=asked.page or default)


if __name__ == "__main__":
    main()
