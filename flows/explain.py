"""The decision record of a generation, and of one row, as trees for the terminal."""

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from flows.site import Site
from flows.story import Cause, RowStory, Story, row_story, story_of
from flows.tables import estimate_text, ratio_text
from records.generation import Generation
from records.review import Reign


def explain(site: Site, number: int) -> RenderableType:
    """Return the decision record of a generation as a tree: back to its cause, then on to what followed from it.

    Raises `NotFound` for a generation that does not exist.
    """
    return as_tree(story_of(site, number))


def explain_row(site: Site, row_key: str) -> RenderableType:
    """Return what became of one row as a tree; raises `NotFound` for a row that nobody was asked about."""
    return row_as_tree(row_story(site, row_key))


def as_tree(story: Story) -> RenderableType:
    """Return a generation's story as a tree."""
    generation, number = story.generation, story.generation.number
    tree = Tree(Text(f"generation {number} of {generation.model}: {generation.status}", "bold"))
    _add_model(tree, generation)
    if story.cause is None:
        tree.add(Text("adopted, not taught by a window"))
    else:
        _add_cause(tree.add(Text(f"taught by window {story.cause.window.name}", "bold")), story.cause)
    for event in story.promotions:
        happened = "promoted" if event.generation == number else f"replaced by generation {event.generation}"
        tree.add(Text(f"{happened} on {event.intended_at:%Y-%m-%d %H:%M %Z}: {event.why}"))
    for reign in story.reigns:
        tree.add(Text(reign_text(reign)))
    _add_future(tree.add(Text("what followed from it", "bold")), story)
    return Group(tree)


def row_as_tree(row: RowStory) -> RenderableType:
    """Return the story of a row as a tree."""
    ask, label = row.ask, row.label
    tree = Tree(Text(f"row {row.row_key}", "bold"))
    tree.add(Text(f"of window {row.window.name}, asked about generation {row.generation} in round {ask.round}"))
    tree.add(Text(f"drawn to {_purpose(ask.purpose)} from {ask.slice}, with probability {ask.inclusion:.3g}"))
    if ask.reason:
        tree.add(Text(f"because: {ask.reason}"))
    if ask.prediction is not None:
        shown = "which labelers saw filled in" if ask.suggested else "which labelers did not see filled in"
        tree.add(Text(f"the model said {ask.prediction}, {shown}"))
    if label is None:
        tree.add(Text("nobody has answered"))
    else:
        who = ", ".join(label.annotators) or "nobody by name"
        tree.add(Text(f"answer {label.answer} by {who}, agreement {label.agreement:.0%}".replace("%", " %")))
        tree.add(Text(f"taught {_generations(row.taught)}" if row.taught else "taught no generation"))
        tree.add(Text(f"judged {_generations(row.judged)}" if row.judged else "judged no challenger"))
    return Group(tree)


def reign_text(reign: Reign) -> str:
    """Say who was champion from when to when, and why.

    >>> from datetime import UTC, datetime
    >>> reign_text(Reign(2, datetime(2024, 3, 3, 6, tzinfo=UTC), None, "window x: a clear gain."))
    'generation 2 was champion from 2024-03-03 06:00 UTC until now: window x: a clear gain.'
    """
    until = f"to {reign.end:%Y-%m-%d %H:%M %Z}" if reign.end else "until now"
    return f"generation {reign.generation} was champion from {reign.start:%Y-%m-%d %H:%M %Z} {until}: {reign.why}"


def _add_model(tree: Tree, generation: Generation) -> None:
    fit, snapshot = generation.fit, generation.snapshot
    tree.add(Text(f"{fit.estimator} on {fit.recipe}: {fit.loss} loss {fit.holdout_loss:.4f} on the holdout"))
    tree.add(Text(f"snapshot {snapshot.digest[:12]}: {snapshot.n_train:,} train, {snapshot.n_holdout:,} holdout rows"))
    tree.add(Text(f"MLflow run {generation.mlflow_run_id}, version {generation.version}"))
    engines = ", ".join(f"{e.step} {'accelerated' if e.accelerated else f'stock ({e.reason})'}" for e in fit.engines)
    tree.add(Text(f"engines: {engines or 'not recorded'}"))


def _add_cause(tree: Tree, cause: Cause) -> None:
    if report := cause.report:
        drift = tree.add(Text(f"drift: joint p = {report.joint.p_value:.3f} against generation {report.generation}"))
        for column in sorted(report.columns, key=lambda c: c.adjusted_p):
            if column.drifted:
                drift.add(Text(f"{column.sentence} (adjusted p {column.adjusted_p:.3f})"))
        for output in report.outputs:
            drift.add(Text(f"{output.sentence} (adjusted p {output.adjusted_p:.3f})"))
    if cause.alarm:
        tree.add(Text(f"alarm: {cause.alarm.reason}"))
    if found := cause.slices:
        slices = tree.add(Text("slices" if found.slices else "slices: none stood out"))
        for slice_ in found.slices:
            shares = f"{slice_.share_reference:.1%} to {slice_.share_current:.1%}"
            examples = f", such as {', '.join(slice_.examples)}" if slice_.examples else ""
            slices.add(Text(f"{slice_.name}: {shares}{examples}"))
    if cause.asked:
        asked = tree.add(Text(f"people: {cause.asked}"))
        asked.add(Text(f"{cause.n_labels} labels by {', '.join(cause.people) or 'nobody'}"))
    for number, seen in enumerate(cause.looks, 1):
        advised = f": {seen.advice.sentence}" if seen.advice else ""
        tree.add(Text(f"look {number}, {seen.decay.n_labels} audit labels ({seen.finding}){advised}"))
    if judgement := cause.judgement:
        decay = tree.add(Text(f"decay ({judgement.finding}): {judgement.decay.sentence}"))
        for slice_ in judgement.harmful:
            decay.add(Text(f"the loss is higher where {slice_.name}: {ratio_text(slice_.ratio)} the mean loss"))
    if comparison := cause.comparison:
        rows = tree.add(Text(f"comparison of generation {comparison.champion} with {comparison.challenger}"))
        for regime in comparison.regimes:
            rows.add(Text(f"{regime.name}, {regime.n_rows} rows: gain {estimate_text(regime.gain)}, {regime.kind}"))
    if verdict := cause.verdict:
        said = tree.add(Text(f"verdict: {verdict.outcome}"))
        for reason in verdict.reasons:
            said.add(Text(reason))


def _add_future(tree: Tree, story: Story) -> None:
    for asked in story.asked:
        outcome = asked.outcome or "not decided yet"
        tree.add(
            Text(f"asked about: window {asked.window.name}, {asked.n_labels} labels of {asked.n_rows} rows; {outcome}")
        )
    for met in story.met:
        outcome = met.outcome or "not decided yet"
        tree.add(Text(f"challenged by generation {met.challenger} on window {met.window.name}: {outcome}"))
    for taught in story.taught:
        tree.add(Text(f"its labels taught generation {taught.generation}: {taught.n_labels} of them"))
    for shadow in story.shadows:
        other = shadow.champion if shadow.challenger == story.generation.number else shadow.challenger
        tree.add(
            Text(
                f"shadow on window {shadow.window.name}: another answer than generation {other} in"
                f" {100 * shadow.share_different:.1f} % of {shadow.n_rows:,} rows"
            )
        )
    if story.descendants:
        tree.add(Text(f"descended from it: {_generations(story.descendants)}"))
    if not tree.children:
        tree.add(Text("nothing yet"))


def _generations(numbers: tuple[int, ...]) -> str:
    """Name generations.

    >>> _generations((2,)), _generations((2, 3, 5))
    ('generation 2', 'generations 2, 3, 5')
    """
    return f"generation{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _purpose(purpose: str) -> str:
    """What a row was drawn for."""
    return {"audit": "judge", "train": "teach", "gold": "see how people answer"}[purpose]
