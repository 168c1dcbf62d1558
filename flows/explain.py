"""Walk a generation back to its cause, from the ledger alone."""

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from flows.site import Site
from flows.tables import estimate_text, ratio_text
from records.comparison import Comparison, Verdict
from records.decay import Judgement
from records.drift import Alarm, DriftReport
from records.generation import Generation
from records.slice import SliceReport
from records.window import Window


def explain(site: Site, number: int) -> RenderableType:
    """Return the decision record of a generation as a tree: drift, slices, people, labels, comparison, verdict.

    Raises `NotFound` for a generation that does not exist.
    """
    generation = site.ledger.generations.get(site.model, number)
    tree = Tree(Text(f"generation {number} of {site.model}: {generation.status}", "bold"))
    _add_model(tree, generation)
    window = next((w for w in site.ledger.steps.windows(site.model) if w.name == generation.cause), None)
    if window is None:
        tree.add(Text("adopted, not taught by a window"))
    else:
        _add_window(tree.add(Text(f"taught by window {window.name}", "bold")), site, window)
    for event in site.ledger.promotions.history(site.model):
        if number in (event.generation, event.previous):
            happened = "promoted" if event.generation == number else f"replaced by generation {event.generation}"
            tree.add(Text(f"{happened} on {event.intended_at:%Y-%m-%d %H:%M %Z}: {event.why}"))
    return Group(tree)


def _add_model(tree: Tree, generation: Generation) -> None:
    fit, snapshot = generation.fit, generation.snapshot
    tree.add(Text(f"{fit.estimator} on {fit.recipe}: {fit.loss} loss {fit.holdout_loss:.4f} on the holdout"))
    tree.add(Text(f"snapshot {snapshot.digest[:12]}: {snapshot.n_train:,} train, {snapshot.n_holdout:,} holdout rows"))
    tree.add(Text(f"MLflow run {generation.mlflow_run_id}, version {generation.version}"))
    engines = ", ".join(f"{e.step} {'accelerated' if e.accelerated else f'stock ({e.reason})'}" for e in fit.engines)
    tree.add(Text(f"engines: {engines or 'not recorded'}"))


def _add_window(tree: Tree, site: Site, window: Window) -> None:
    steps, model = site.ledger.steps, site.model
    if report := steps.get(model, window, "monitor", DriftReport):
        drift = tree.add(Text(f"drift: joint p = {report.joint.p_value:.3f} against generation {report.generation}"))
        for column in sorted(report.columns, key=lambda c: c.adjusted_p):
            if column.drifted:
                drift.add(Text(f"{column.sentence} (adjusted p {column.adjusted_p:.3f})"))
        for output in report.outputs:
            drift.add(Text(f"{output.sentence} (adjusted p {output.adjusted_p:.3f})"))
    if alarm := steps.get(model, window, "alarm", Alarm):
        tree.add(Text(f"alarm: {alarm.reason}"))
    if found := steps.get(model, window, "slice", SliceReport):
        slices = tree.add(Text("slices" if found.slices else "slices: none stood out"))
        for slice_ in found.slices:
            shares = f"{slice_.share_reference:.1%} to {slice_.share_current:.1%}"
            examples = f", such as {', '.join(slice_.examples)}" if slice_.examples else ""
            slices.add(Text(f"{slice_.name}: {shares}{examples}"))
    if request := site.ledger.requests.get(model, window):
        labels = site.ledger.labels.of(model, window=window)
        people = sorted({person for item in labels for person in item.label.annotators})
        asked = tree.add(Text(f"people: {request.reason}"))
        asked.add(Text(f"{len(labels)} labels by {', '.join(people) or 'nobody'}"))
    n_looks = 0
    while seen := steps.get(model, window, f"look {n_looks + 1}", Judgement):
        n_looks += 1
        advised = f": {seen.advice.sentence}" if seen.advice else ""
        tree.add(Text(f"look {n_looks}, {seen.decay.n_labels} audit labels ({seen.finding}){advised}"))
    if judgement := steps.get(model, window, "judge", Judgement):
        decay = tree.add(Text(f"decay ({judgement.finding}): {judgement.decay.sentence}"))
        for slice_ in judgement.harmful:
            decay.add(Text(f"the loss is higher where {slice_.name}: {ratio_text(slice_.ratio)} the mean loss"))
    if comparison := steps.get(model, window, "compare", Comparison):
        rows = tree.add(Text(f"comparison of generation {comparison.champion} with {comparison.challenger}"))
        for regime in comparison.regimes:
            rows.add(Text(f"{regime.name}, {regime.n_rows} rows: gain {estimate_text(regime.gain)}, {regime.kind}"))
    if verdict := steps.get(model, window, "promote", Verdict):
        said = tree.add(Text(f"verdict: {verdict.outcome}"))
        for reason in verdict.reasons:
            said.add(Text(reason))
