"""What is put before people: the label project of a model, and the task of each row it asks about."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import pandas as pd

from flows.exchange import Place
from flows.reference import reference_rows
from flows.site import Site
from labeling.anchoring import suggested
from labeling.expected import Expected, expect
from labeling.gold import draw_gold, mix
from labeling.interface import config, instructions
from labeling.tasks import to_task, usual_ranges
from models.loss import opinion
from models.predictions import named
from records.drift import DriftReport
from records.errors import NotFound
from records.generation import Generation
from records.label import Ask, LabelRequest
from records.window import Window
from store.snapshots import read

_LONGEST_TITLE = 50


def furnish(site: Site, window: Window, generation: Generation, asks: Sequence[Ask]) -> tuple[Ask, ...]:
    """Return drawn rows with gold rows among them, each with the model's answer and whether it is to be suggested.

    The gold rows, `labels.gold_share` of the others, come on top of the budget, from the generation's holdout.
    """
    labels, seed = site.settings.labels, site.settings.training.seed
    gold = draw_gold(
        gold_answers(site, generation.number) if labels.gold_share else {},
        n=round(labels.gold_share * len(asks)),
        classes=site.schema.classes,
        taken=site.ledger.requests.asked_keys(site.model) | set(site.sample(window)[site.schema.row_key]),
        seed=seed,
    )
    mixed = mix(asks, [replace(ask, round=max(one.round for one in asks)) for ask in gold], seed=seed)
    rows = rows_of(site, window, generation.number, mixed)
    predicted = named(site.pipeline(generation), rows, site.schema)
    return tuple(
        replace(ask, prediction=answer, suggested=suggested(ask.row_key, share=labels.suggest))
        for ask, answer in zip(mixed, predicted, strict=True)
    )


def gold_answers(site: Site, generation: int) -> dict[str, str]:
    """Return the true answer of each row of a generation's holdout."""
    holdout = site.holdout(site.ledger.generations.get(site.model, generation))
    return dict(zip(holdout[site.schema.row_key], holdout[site.schema.target].astype(str), strict=True))


def expected(site: Site) -> Expected | None:
    """Return which numbers a labeler may be expected to type; None for a classification.

    The first snapshot says it, so that the label project stays the same from generation to generation.
    """
    if site.schema.task == "classification":
        return None
    first = site.ledger.generations.get(site.model, 1)
    return expect(pd.concat(read(first.snapshot), ignore_index=True)[site.schema.target].astype(float))


def place(site: Site, *, again: bool = False) -> Place:
    """Return the label project of a model, or the one of its second looks, where one person looks and sees no hint."""
    schema, labels = site.schema, site.settings.labels
    numbers = expected(site)
    suggestions = labels.suggest > 0 and not again
    return Place(
        title(site.model, again=again),
        config(schema, labels.question, expected=numbers, show_reason=labels.show_reason),
        instructions(schema, labels.question, expected=numbers, suggestions=suggestions, again=again),
        overlap=1 if again else labels.overlap,
        suggestions=suggestions,
    )


def title(model: str, *, again: bool) -> str:
    """Return a project's title, at most 50 characters; a name that is cut keeps a mark of the whole.

    >>> title("flights", again=False), title("flights", again=True)
    ('Driftloop flights', 'Driftloop flights second look')
    >>> title("a-model-whose-name-has-forty-characters-", again=True)
    'Driftloop a-model-whose-name-has-7943 second look'
    """
    end = " second look" if again else ""
    room = _LONGEST_TITLE - len("Driftloop ") - len(end)
    if len(model) > room:
        model = f"{model[: room - 5].rstrip('-_')}-{blake2b(model.encode(), digest_size=2).hexdigest()}"
    return f"Driftloop {model}{end}"


def pages(site: Site, request: LabelRequest, asks: Sequence[Ask], *, again: bool = False) -> list[dict[str, object]]:
    """Return the tasks that ask about some rows of a request; a second look (`again`) suggests nothing."""
    schema, labels, window = site.schema, site.settings.labels, request.window
    report = site.ledger.steps.get(site.model, window, "monitor", DriftReport)
    if report is None:
        raise NotFound(f"window {window.name} of {site.model!r} is not in the ledger; run `driftloop watch` for it")
    generation = site.ledger.generations.get(site.model, request.generation)
    pipeline = site.pipeline(generation)
    rows = rows_of(site, window, generation.number, asks)
    usual = usual_ranges(reference_rows(site, generation)[0], schema.shown)
    drifted = tuple(column.column for column in report.columns if column.drifted)
    answers = zip(opinion(pipeline, rows, schema), named(pipeline, rows, schema), strict=True)
    filled_in = {ask.row_key for ask in asks if labels.suggest and ask.suggested and not again}
    with_gold = any(ask.purpose == "gold" for ask in request.asks)
    return [
        to_task(
            {str(name): value for name, value in row.items()},
            ask,
            schema.shown,
            usual,
            drifted,
            thought,
            title=labels.question,
            model=f"{site.model} generation {generation.number}",
            window=window.name,
            prediction=predicted if ask.row_key in filled_in else None,  # Label Studio selects it in its quick view
            show_time=not with_gold,
            show_reason=labels.show_reason,
        )
        for row, ask, (thought, predicted) in zip(rows.to_dict("records"), asks, answers, strict=True)
    ]


def rows_of(site: Site, window: Window, generation: int, asks: Sequence[Ask]) -> pd.DataFrame:
    """Return the row of each ask, in their order: of the window's sample, or of the generation's holdout if gold."""
    frames = [site.sample(window)]
    if any(ask.purpose == "gold" for ask in asks):
        frames.append(site.holdout(site.ledger.generations.get(site.model, generation)))
    columns = list(site.schema.production)
    rows = pd.concat([frame[columns] for frame in frames], ignore_index=True).drop_duplicates(site.schema.row_key)
    return rows.set_index(site.schema.row_key, drop=False).loc[[ask.row_key for ask in asks]]
