"""Prefect automations that make the loop quicker and louder: it learns at once, and tells of alarms and failures."""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows.events import ALARM, READY, VERDICTS, resource_id
from flows.registered import TAG
from records.errors import BadSettings

_AS_TEXT = "| string | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;')"  # what Slack would read
_BODY = f"""\
{{{{ event.payload.model {_AS_TEXT} }}}}, {{{{ event.payload.window.name }}}}:
{{{{ event.payload.reason {_AS_TEXT} }}}}
{{% for place, link in event.payload.links.items() %}}{{{{ place }}}}: {{{{ link }}}}
{{% endfor %}}"""

_ENDED_BADLY = ("prefect.flow-run.Failed", "prefect.flow-run.Crashed")
_QUIET_AFTER_FAILURE = timedelta(days=1)
_FAILED_SUBJECT = (
    "{{ event.event.split('.')[-1] }}: {{ event.resource_in_role['flow']['prefect.resource.name'] }}"
    "/{{ event.resource_in_role['deployment']['prefect.resource.name'] }}"
)
_FAILED_BODY = f"""\
{{{{ event.resource['prefect.resource.name'] {_AS_TEXT} }}}}:
{{{{ event.resource['prefect.state-message'] | string | truncate(500, true) {_AS_TEXT} }}}}
Further failures of this deployment are not told for a day; `driftloop doctor` says what is wrong.
"""


def automate(client: SyncPrefectClient, model: str, learn: UUID, notify: str | None) -> tuple[str, ...]:
    """Create or update a model's automations and return their names: `notify` is a block, `TYPE/NAME`, or None.

    Raises `BadSettings` when there is no such block.
    """
    wanted = [_learning(model, learn)]
    if notify:
        block = block_id(client, notify)
        wanted += [_notifying(model, block), _telling_failures(model, block)]
    for automation in wanted:
        present = client.read_automations_by_name(automation.name)
        if present:
            client.update_automation(present[0].id, automation)
        else:
            client.create_automation(automation)
    return tuple(one.name for one in wanted)


def forget(client: SyncPrefectClient, model: str) -> None:
    """Remove the automations of a model that is gone."""
    for name in names_of(model):
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


def names_of(model: str) -> tuple[str, str, str]:
    """The names of a model's automations: those that learn, tell of what the loop finds, and tell when it fails.

    >>> names_of("fraud")
    ('driftloop fraud: labels ready, learn', 'driftloop fraud: notify', 'driftloop fraud: a run failed')
    """
    return f"driftloop {model}: labels ready, learn", f"driftloop {model}: notify", f"driftloop {model}: a run failed"


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
        name=names_of(model)[0],
        description=f"Learn from the answers about {model} as soon as they are there.",
        trigger=_trigger(model, READY),
        actions=[RunDeployment(source="selected", deployment_id=learn, parameters=None, job_variables=None)],
    )


def _notifying(model: str, block: UUID) -> AutomationCore:
    subject = "{{ event.event.split('.')[-1] }}: {{ event.payload.model }} {{ event.payload.window.name }}"
    return AutomationCore(
        name=names_of(model)[1],
        description=f"Tell people of alarms and verdicts about {model}.",
        trigger=_trigger(model, ALARM, *VERDICTS.values()),
        actions=[SendNotification(block_document_id=block, subject=subject, body=_BODY)],
    )


def _telling_failures(model: str, block: UUID) -> AutomationCore:
    """A `learn` whose token has expired fails at every poll, so each deployment is told of once a day."""
    return AutomationCore(
        name=names_of(model)[2],
        description=f"Tell people of runs of {model} that fail or crash, once a day for each deployment.",
        trigger=EventTrigger(
            expect=set(_ENDED_BADLY),
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=[_tagged(TAG), _tagged(model)],
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_QUIET_AFTER_FAILURE,
        ),
        actions=[SendNotification(block_document_id=block, subject=_FAILED_SUBJECT, body=_FAILED_BODY)],
    )


def _tagged(tag: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{tag}"})
