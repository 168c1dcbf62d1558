"""How every candidate does on labels it did not learn from, and which of them make the best average."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel, delayed

from models.average import greedy_weights, pruned_weights
from models.judges import FEWEST_LATEST, Judges
from models.lessons import Lessons
from models.loss import of_predictions
from models.pipeline import member
from models.predictions import of_matrix
from models.recipe import RECIPES, SNAPSHOT, STEADY, Recipe
from models.shift import MOST
from models.teach import one_thread, teach
from models.weighted import effective, mean_and_error
from records.errors import BadData
from records.schema import Schema

Floats = NDArray[np.float64]
N_FOLDS = 3
N_TREES = 50
MOST_CHOSEN = 4
STEADY_SHARE = 0.5
CLEARLY = 2.0
"""By how many standard errors the steady half must raise the loss on labels to be left out."""
PAST = 3.0
"""By how many standard errors the snapshot's model must lose more on the latest labels than on old rows to be past."""
LEAST_COVERED = 0.5
FAMILY_LABELS = 30.0
"""As how many labels the old rows count in saying which estimators suit these data at all."""
SUITED_LABELS = 200.0
"""As how many labels they count at most in saying which of the steady candidates stay."""
OWN_LABELS = 30.0
"""As how many labels they count against a candidate that loses on them."""


class Candidate(NamedTuple):
    """A way to learn: a training set and an estimator."""

    recipe: Recipe
    estimator: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate said of the labels, each by a model that had not seen it, and of old rows set aside.

    `on_labels` is (n_labels, n_classes) or (n_labels,), `on_old` likewise. `loss` is the mean over labels by their
    weights, infinite if a fold could not teach it, `old_loss` the mean over old rows. `seconds` is what it took.
    """

    candidate: Candidate
    on_labels: Floats
    on_old: Floats
    loss: float = float("nan")
    old_loss: float = float("nan")
    seconds: float = field(default=0.0, compare=False)


def try_out(
    lessons: Lessons,
    X_aside: Floats,
    estimators: Sequence[str],
    judging: Judges,
    *,
    seed: int,
    cores: int,
    count: Callable[[str, int, int], None],
) -> list[Trial]:
    """Cross-validate every recipe with every estimator on the labels in three folds; those of `SNAPSHOT` come first.

    The same whatever the number of `cores`: candidates are spread over as many processes.
    """
    schema = judging.schema
    fold = np.random.default_rng(seed).permutation(len(lessons.new)) % N_FOLDS
    alone = []
    for number, name in enumerate(estimators, start=1):
        model, trial = _alone(lessons, name, X_aside, schema, seed)
        alone.append((model, _judged(trial, judging)))
        count("models of the snapshot", number, len(estimators))
    best = min(alone, key=lambda pair: pair[1].old_loss if len(X_aside) else pair[1].loss)[0]
    candidates = [
        Candidate(recipe, name)
        for recipe in RECIPES
        if recipe != SNAPSHOT
        for name in (estimators if not recipe.corrects else correctors(estimators))
    ]
    jobs = (
        delayed(_cross_validated)(lessons, one, best if one.recipe.corrects else None, fold, X_aside, schema, seed)
        for one in candidates
    )
    trials = [trial for _, trial in alone]
    for number, trial in enumerate(Parallel(cores, return_as="generator")(jobs), start=1):
        trials.append(_judged(trial, judging))
        count("candidates", number, len(candidates))
    return trials


def correctors(estimators: Sequence[str]) -> list[str]:
    """The estimators that learn to correct another from labels alone: the cheap ones among the first of them."""
    return [name for name in estimators if name in ("linear", "random_forest")] or list(estimators[:1])


def shares(trials: Sequence[Trial], every: Sequence[Trial], judging: Judges) -> Floats:
    """Return how much each trial's candidate counts in the average, shape (n_trials,), summing to 1.

    Half of the average is steady: the candidates of the recipes `STEADY`, without those that do not suit these data
    (`_steady`). The other half is at most four candidates chosen for the loss of their average on labels
    (`models.average.greedy_weights`). Few labels would let chance choose, so old rows have a say too: as much as 30
    labels on which estimators suit these data (by what each made of the snapshot alone, whatever has changed since),
    and as much as 30 against candidates that lose on old rows. `every` trial, chosen from or not, tells the former. The
    chosen are the whole average where no steady candidate may be chosen, and where the labels want it: the steady half
    raises the loss on them by over two standard errors. Where the snapshot is past (`is_past`), labels alone have a say
    and nothing is steady.
    """
    family = {trial.candidate.estimator: trial.on_old for trial in every if trial.candidate.recipe == SNAPSHOT}
    n_labels, n_old = len(judging.labels), len(judging.old)
    past = is_past(every, judging)
    say = np.array([effective(judging.label_weights), FAMILY_LABELS, OWN_LABELS]) * [True, not past, not past]
    say = say / say.sum()

    def loss(said: Floats) -> float:
        parts = (said[:n_labels], said[n_labels : n_labels + n_old], said[n_labels + n_old :])
        losses = (judging.of_labels(parts[0]), judging.of_old(parts[1]), judging.of_old(parts[2]))
        return float(say @ np.array(losses))

    said = [np.concatenate([one.on_labels, family[one.candidate.estimator], one.on_old]) for one in trials]
    chosen = greedy_weights(np.stack(said), loss, most=MOST_CHOSEN)
    steady = _steady(trials, judging)
    if past or not steady.any():
        return chosen
    steadied = STEADY_SHARE * steady + (1 - STEADY_SHARE) * chosen
    return chosen if _clearly_better(chosen, steadied, trials, judging) else steadied


def _steady(trials: Sequence[Trial], judging: Judges) -> Floats:
    """Return equal shares of the steady candidates that suit these data, summing to 1; zeros without any.

    One goes where the average is better without it on labels and on old rows, which count as 200 labels at most: an
    estimator that is bad at what is known by now is hardly better at what is not.
    """
    places = [place for place, trial in enumerate(trials) if trial.candidate.recipe in STEADY]
    found = np.zeros(len(trials))
    if places:
        n_labels = len(judging.labels)
        say = np.array([effective(judging.label_weights), min(effective(judging.old_weights), SUITED_LABELS)])
        said = np.stack([np.concatenate([trials[place].on_labels, trials[place].on_old]) for place in places])

        def loss(one: Floats) -> float:
            losses = np.array([judging.of_labels(one[:n_labels]), judging.of_old(one[n_labels:])])
            return float(say @ losses / say.sum())

        found[places] = pruned_weights(said, loss)
    return found


def is_past(every: Sequence[Trial], judging: Judges) -> bool:
    """Return whether the snapshot tells little about today: no old row holds, or its own model fails, for any reason.

    The best model of the snapshot alone fails when it loses more on the latest labels than on old rows set aside, by
    over three standard errors of the difference. Old rows count by how likely they are among the labels, which may be
    of a few slices only. Fewer than 20 effective labels or old rows, or old rows that cover less than half of what the
    labels are like, show nothing.
    """
    if not len(judging.old):
        return True
    if not len(judging.likeness) or judging.likeness.mean() < LEAST_COVERED:
        return False
    best = min((one for one in every if one.candidate.recipe == SNAPSHOT), key=lambda one: one.old_loss)
    latest = judging.latest
    alike = judging.old_weights * np.clip(judging.likeness / judging.likeness.mean(), 0.0, MOST)
    if min(effective(alike), effective(judging.label_weights[latest])) < FEWEST_LATEST:
        return False
    now = of_predictions(best.on_labels[latest], judging.labels[latest], judging.schema, judging.loss)
    before = of_predictions(best.on_old, judging.old, judging.schema, judging.loss)
    means, errors = zip(mean_and_error(now, judging.label_weights[latest]), mean_and_error(before, alike), strict=True)
    return bool(means[0] - means[1] > PAST * np.hypot(*errors) > 0)


def _clearly_better(one: Floats, other: Floats, trials: Sequence[Trial], judging: Judges) -> bool:
    """Whether one average loses less on the labels than another by over two standard errors, paired by label."""
    on_labels = np.stack([trial.on_labels for trial in trials])
    losses = [
        of_predictions(
            np.asarray(np.tensordot(weights, on_labels, 1), dtype=float), judging.labels, judging.schema, judging.loss
        )
        for weights in (one, other)
    ]
    lead, error = mean_and_error(losses[1] - losses[0], judging.label_weights)
    return lead > CLEARLY * error > 0


def snapshot_model(
    lessons: Lessons, name: str, schema: Schema, *, seed: int, accelerated: bool, n_trees: int
) -> BaseEstimator:
    """Return the estimator of that name taught by the old rows alone."""
    X, y, weights = lessons.training_set(SNAPSHOT)
    model = member(schema, lessons.prepared, name, seed=seed, accelerated=accelerated, n_trees=n_trees)
    with one_thread(name):
        teach(model, X, y, weights, schema, seed=seed, every_class=True)
    return model


def _alone(lessons: Lessons, name: str, X_aside: Floats, schema: Schema, seed: int) -> tuple[BaseEstimator, Trial]:
    begun = time.perf_counter()
    model = snapshot_model(lessons, name, schema, seed=seed, accelerated=True, n_trees=N_TREES)
    on_labels, on_old = (of_matrix(model, rows, schema) for rows in (lessons.new, X_aside))
    return model, Trial(Candidate(SNAPSHOT, name), on_labels, on_old, seconds=time.perf_counter() - begun)


def _cross_validated(
    lessons: Lessons,
    candidate: Candidate,
    corrected: BaseEstimator | None,
    fold: NDArray[np.int64],
    X_aside: Floats,
    schema: Schema,
    seed: int,
) -> Trial:
    begun = time.perf_counter()
    recipe, name = candidate
    on_labels, on_old = (_no_predictions(len(rows), schema) for rows in (lessons.new, X_aside))
    for k in range(N_FOLDS):
        X, y, weights = lessons.training_set(recipe, fold != k)
        model = member(schema, lessons.prepared, name, seed=seed, corrected=corrected, n_trees=N_TREES, n_jobs=1)
        try:
            with one_thread(name):
                teach(model, X, y, weights, schema, seed=seed, every_class=True)
        except BadData:  # a fold's labels alone may know too little
            on_labels[fold == k] = np.nan
            continue
        on_labels[fold == k] = of_matrix(model, lessons.new[fold == k], schema)
        on_old += of_matrix(model, X_aside, schema) / N_FOLDS
    return Trial(candidate, on_labels, on_old, seconds=time.perf_counter() - begun)


def _judged(trial: Trial, judging: Judges) -> Trial:
    loss = judging.of_labels(trial.on_labels)
    return replace(trial, loss=loss if np.isfinite(loss) else float("inf"), old_loss=judging.of_old(trial.on_old))


def _no_predictions(n_rows: int, schema: Schema) -> Floats:
    return np.zeros((n_rows, len(schema.classes)) if schema.task == "classification" else n_rows)
