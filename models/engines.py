"""Which engine fitted a generation, in words for those who compare two."""

from models.told import APART
from records.generation import FitRecord


def engine(fit: FitRecord) -> str:
    """Return who fitted a generation: sklearnex, as far as it can, or plain scikit-learn.

    >>> engine(FitRecord("pipeline", "adopted", (), (), 0.5, "brier", 0.2))
    'an engine that is not recorded'
    """
    if not fit.engines:
        return "an engine that is not recorded"
    return "sklearnex" if any(one.accelerated for one in fit.engines) else "plain scikit-learn"


def engine_notes(fit: FitRecord, number: int, other: FitRecord | None, other_number: int | None) -> tuple[str, ...]:
    """Return what is to be known of the engines before two generations are compared; empty if there is nothing.

    That is where both engines do not agree, and where another engine fitted the `other` generation.
    """
    notes = [value for name, value in fit.params if name == APART]
    if other is not None and engine(fit) != engine(other):
        notes.append(
            f"Generation {other_number} was fitted by {engine(other)}, generation {number} by {engine(fit)}: what they"
            " lose can differ by that, too."
        )
    return tuple(notes)
