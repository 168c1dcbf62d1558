"""Which of the candidates make the best average: how much each counts, by what it said of labels and of old rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.average import greedy_weights, mixed, pruned_weights
from models.choice import N_FOLDS, Trial
from models.judges import Judges
from models.loss import of_predictions
from models.past import is_past
from models.recipe import SNAPSHOT, STEADY
from models.weighted import effective, mean_and_error

Floats = NDArray[np.float64]
MOST_CHOSEN = 4
STEADY_SHARE = 0.5
CLEARLY = 2.0
"""By how many standard errors the steady half must raise the loss on labels to be left out."""
FAMILY_LABELS = 30.0
"""As how many labels the old rows count in saying which estimators suit these data at all."""
SUITED_LABELS = 200.0
"""As how many labels they count at most in saying which estimators stay in the steady half."""
OWN_LABELS = 30.0
"""As how many labels they count against a candidate that loses on them."""


def shares(trials: Sequence[Trial], every: Sequence[Trial], judging: Judges) -> Floats:
    """Return how much each trial's candidate counts in the average, shape (n_trials,), summing to 1.

    Half of the average is steady: the candidates of the recipes `STEADY` with every estimator that suits these data
    (`_steady`). The other half is at most four candidates chosen for the loss of their average on labels
    (`models.average.greedy_weights`). Few labels would let chance choose, so old rows have a say too: as much as 30
    labels on which estimators suit these data (by what each made of the snapshot alone, whatever has changed since),
    and as much as 30 against candidates that lose on old rows. `every` trial, chosen from or not, tells the former. The
    chosen are the whole average where no steady candidate may be chosen, and where the labels want it
    (`_wants_no_steady`). Where the snapshot is past (`models.past`), labels alone have a say and nothing is steady.
    """
    family = {trial.candidate.estimator: trial.on_old for trial in every if trial.candidate.recipe == SNAPSHOT}
    past = is_past(every, judging)
    chosen = _chosen(trials, family, judging, past=past)
    steady = _steady(trials, family, judging)
    if past or not steady.any() or _wants_no_steady(trials, family, steady, judging):
        return chosen
    return _steadied(steady, chosen)


def _steadied(steady: Floats, chosen: Floats) -> Floats:
    return STEADY_SHARE * steady + (1 - STEADY_SHARE) * chosen


def _chosen(trials: Sequence[Trial], family: Mapping[str, Floats], judging: Judges, *, past: bool) -> Floats:
    """Return the shares of the few whose average loses least on labels, and on old rows as far as these have a say."""
    n_labels, n_old = len(judging.labels), len(judging.old)
    say = np.array([effective(judging.label_weights), FAMILY_LABELS, OWN_LABELS]) * [True, not past, not past]

    def loss(said: Floats) -> float:
        parts = (said[:n_labels], said[n_labels : n_labels + n_old], said[n_labels + n_old :])
        losses = (judging.of_labels(parts[0]), judging.of_old(parts[1]), judging.of_old(parts[2]))
        return float(say @ np.array(losses) / say.sum())

    said = [np.concatenate([one.on_labels, family[one.candidate.estimator], one.on_old]) for one in trials]
    return greedy_weights(np.stack(said), loss, most=MOST_CHOSEN)


def _steady(trials: Sequence[Trial], family: Mapping[str, Floats], judging: Judges) -> Floats:
    """Return equal shares of the steady candidates whose estimators suit these data, summing to 1; zeros without any.

    An estimator goes where the average is better without it on labels and on old rows, which count as 200 labels at
    most, by what it made of the snapshot alone: one that is bad at what is known is hardly better at what is not.
    """
    places: dict[str, list[int]] = {}
    for place, trial in enumerate(trials):
        if trial.candidate.recipe in STEADY:
            places.setdefault(trial.candidate.estimator, []).append(place)
    found = np.zeros(len(trials))
    if not places:
        return found
    n_labels = len(judging.labels)
    say = np.array([effective(judging.label_weights), min(effective(judging.old_weights), SUITED_LABELS)])

    def loss(said: Floats) -> float:
        losses = np.array([judging.of_labels(said[:n_labels]), judging.of_old(said[n_labels:])])
        return float(say @ losses / say.sum())

    said = [
        np.concatenate([np.mean([trials[place].on_labels for place in its], axis=0), family[name]])
        for name, its in places.items()
    ]
    for its, share in zip(places.values(), pruned_weights(np.stack(said), loss), strict=True):
        found[its] = share / len(its)
    return found


def _wants_no_steady(trials: Sequence[Trial], family: Mapping[str, Floats], steady: Floats, judging: Judges) -> bool:
    """Whether the steady half raises the loss on labels by over two standard errors, paired by label.

    In three folds, so that those are compared that the other labels chose: the best of many has a lead by chance.
    """
    on_labels = np.stack([trial.on_labels for trial in trials])
    fold = np.arange(len(judging.labels)) % N_FOLDS
    leads = np.zeros(len(fold))
    for k in range(N_FOLDS):
        held = fold == k
        others = replace(judging, label_weights=np.where(held, 0.0, judging.label_weights))
        if not others.label_weights.any():
            return False
        chosen = _chosen(trials, family, others, past=False)
        steadied, alone = (
            of_predictions(
                mixed(weights, on_labels[:, held]),
                judging.labels[held],
                judging.schema,
                judging.loss,
            )
            for weights in (_steadied(steady, chosen), chosen)
        )
        leads[held] = steadied - alone
    lead, error = mean_and_error(leads, judging.label_weights)
    return lead > CLEARLY * error > 0
