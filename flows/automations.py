"""Prefect automations that make the loop quicker and louder: answers are learned from at once, alarms are announced."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows.events import ALARM, READY, VERDICTS, resource_id
from records.errors import BadSettings

_AS_TEXT = "| string | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;')"  # what Slack would read
_BODY = f"""\
{{{{ event.payload.model {_AS_TEXT} }}}}, {{{{ event.payload.window.name }}}}:
{{{{ event.payload.reason {_AS_TEXT} }}}}
{{% for place, link in event.payload.links.items() %}}{{{{ place }}}}: {{{{ link }}}}
{{% endfor %}}"""


def automate(client: SyncPrefectClient, model: str, learn: UUID, notify: str | None) -> tuple[str, ...]:
    """Create or update a model's automations and return their names: `notify` is a block, `TYPE/NAME`, or None.

    Raises `BadSettings` when there is no such block.
    """
    wanted = [_learning(model, learn), *([_notifying(model, block_id(client, notify))] if notify else [])]
    for automation in wanted:
        present = client.read_automations_by_name(automation.name)
        if present:
            client.update_automation(present[0].id, automation)
        else:
            client.create_automation(automation)
    return tuple(one.name for one in wanted)


def forget(client: SyncPrefectClient, model: str) -> None:
    """Remove the automations of a model that is gone."""
    for name in _names(model):
        for present in client.read_automations_by_name(name):
            client.delete_automation(present.id)


def block_id(client: SyncPrefectClient, block: str) -> UUID:
    """Return the id of the notification block `TYPE/NAME`, such as `slack-webhook/team`; raises `BadSettings`."""
    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind, include_secrets=False).id
    except (ObjectNotFound, ValueError):
        raise BadSettings(
            f"Prefect has no block {block!r}; make one under Blocks in its UI, and name it as TYPE/NAME,"
            " such as slack-webhook/team"
        ) from None


def _names(model: str) -> Iterator[str]:
    yield f"driftloop {model}: labels ready, learn"
    yield f"driftloop {model}: notify"


def _trigger(model: str, *events: str) -> EventTrigger:
    return EventTrigger(
        expect=set(events),
        match=ResourceSpecification({"prefect.resource.id": resource_id(model)}),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )


def _learning(model: str, learn: UUID) -> AutomationCore:
    return AutomationCore(
        name=next(_names(model)),
        description=f"Learn from the answers about {model} as soon as they are there.",
        trigger=_trigger(model, READY),
        actions=[RunDeployment(source="selected", deployment_id=learn, parameters=None, job_variables=None)],
    )


def _notifying(model: str, block: UUID) -> AutomationCore:
    *_, name = _names(model)
    subject = "{{ event.event.split('.')[-1] }}: {{ event.payload.model }} {{ event.payload.window.name }}"
    return AutomationCore(
        name=name,
        description=f"Tell people of alarms and verdicts about {model}.",
        trigger=_trigger(model, ALARM, *VERDICTS.values()),
        actions=[SendNotification(block_document_id=block, subject=subject, body=_BODY)],
    )
