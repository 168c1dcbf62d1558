"""What is ordinary for one reference, as far as it is costly to find out again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartScores:
    """Evidently's scores of one feature (or of its being missing) for pretended batches of a reference.

    `method` is Evidently's name for the test, ending with " of missing" where that is what is tested. The scores of all
    parts of a reference are of the same batches, in the same order.
    """

    column: str
    method: str
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NullScores:
    """The scores of every part for pretended batches of about `n_batch` rows."""

    n_batch: int
    parts: tuple[PartScores, ...]
