"""Tell what nobody was told: the ledger comes first, so a kill between the two leaves an event behind."""

from flows.events import ALARM, VERDICTS, tell_alarm, tell_change, tell_verdict
from flows.site import Site
from records.window import Window


def tell_untold(site: Site) -> int:
    """Tell what Prefect never took, each once: recent alarms and verdicts, the last change of champion by a person.

    Recent are those of the last `windows.catch_up` + 1 windows, and as many verdicts. They were left by a kill, by a
    failure, or by a command that a person ran. Returns how many Prefect took now.
    """
    alarms = sum(tell_alarm(site, window) for window in _untold(site, "alarm", ALARM))
    verdicts = sum(tell_verdict(site, window) for window in _untold(site, "promote", *VERDICTS.values()))
    return alarms + verdicts + tell_change(site)


def _untold(site: Site, step: str, *events: str) -> list[Window]:
    steps = site.ledger.steps
    told = {window for event in events for window in steps.windows(site.model, f"event {event}")}
    recent = steps.windows(site.model, step)[-(site.settings.windows.catch_up + 1) :]
    return [window for window in recent if window not in told]
