"""One holdout and one batch drawn from a known world, and what is known of them without a label."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds import SLICE, World
from monitors.decay import REST, estimate
from monitors.likeness import Likeness, measure
from records.decay import Decay
from records.window import Window

N_HOLDOUT, N_BATCH = 3_000, 5_000
WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
Slices = tuple[NDArray[np.object_], NDArray[np.object_]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A holdout and a batch with the losses of the holdout's rows and, as answered later, of the batch's."""

    world: World
    seed: int
    losses: NDArray[np.float64]
    answered: NDArray[np.float64]
    slices: Slices
    places: tuple[NDArray[np.int64], NDArray[np.int64]]
    likeness: Likeness

    def decay(
        self,
        labelled: NDArray[np.int64],
        inclusion: NDArray[np.float64],
        *,
        likeness: Likeness | None = None,
        slices: Slices | None = None,
    ) -> Decay:
        """Return what some labels say; `likeness` stands for what is known without a label, `slices` are none."""
        rows = self.world.rows
        holdout, batch = (rows.frame.iloc[place].reset_index(drop=True) for place in self.places)
        return estimate(
            *(holdout, self.losses, batch, labelled, self.answered[labelled], inclusion, rows.schema),
            model="m",
            window=WEEK,
            generation=1,
            loss="brier",
            slices=slices,
            likeness=likeness or self.likeness,
        )


def prepared(world: World, seed: int) -> Batch:
    """Draw a holdout and a batch, and learn what can be known without a label."""
    rows = world.rows
    places = world.drawn(N_HOLDOUT, N_BATCH, seed)
    holdout, batch = (rows.frame.iloc[place].reset_index(drop=True) for place in places)
    own = [(rows.chances[place] * (1 - rows.chances[place])).sum(axis=1) / 2 for place in places]
    likeness = measure(holdout, world.old[places[0]], batch, rows.schema, seed=seed, own=(own[0], own[1]))
    of_holdout, of_batch = (np.where(rows.inside[place], SLICE, REST).astype(object) for place in places)
    return Batch(world, seed, world.old[places[0]], world.new[places[1]], (of_holdout, of_batch), places, likeness)
