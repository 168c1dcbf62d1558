"""Prefect automations that make the loop quicker and louder: answers are learned from, alarms told, lost runs ended."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows.events import ALARM, READY, VERDICTS, resource_id
from records.errors import BadSettings

PATIENCE = timedelta(minutes=10)
"""Three heartbeats of a worker that was started without `PREFECT_FLOWS_HEARTBEAT_FREQUENCY`."""

_HEARTBEAT = "prefect.flow-run.heartbeat"
_NO_LONGER_RUNNING = ("Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")
_AS_TEXT = "| string | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;')"  # what Slack would read
_BODY = f"""\
{{{{ event.payload.model {_AS_TEXT} }}}}, {{{{ event.payload.window.name }}}}:
{{{{ event.payload.reason {_AS_TEXT} }}}}
{{% for place, link in event.payload.links.items() %}}{{{{ place }}}}: {{{{ link }}}}
{{% endfor %}}"""


def automate(
    client: SyncPrefectClient,
    model: str,
    deployments: Mapping[str, UUID],
    notify: str | None,
    *,
    patience: timedelta = PATIENCE,
) -> tuple[str, ...]:
    """Create or update a model's automations and return their names.

    `deployments` are those of the model by the names of their flows, `notify` is a block, `TYPE/NAME`, or None; a run
    that has not been heard of for `patience` is lost. Raises `BadSettings` when there is no such block.
    """
    wanted = [_learning(model, deployments["learn"]), _ending(model, tuple(deployments.values()), patience)]
    if notify:
        wanted.append(_notifying(model, block_id(client, notify)))
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
    yield f"driftloop {model}: end lost runs"
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


def _ending(model: str, deployments: Sequence[UUID], patience: timedelta) -> AutomationCore:
    """A run whose process is gone says nothing any more, and stays Running for ever unless somebody ends it."""
    _, name, _ = _names(model)
    return AutomationCore(
        name=name,
        description=f"Mark a run of {model} as crashed whose process has not been heard of for {patience}.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *(f"prefect.flow-run.{state}" for state in _NO_LONGER_RUNNING)},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": [f"prefect.deployment.{one}" for one in deployments]}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=patience,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                force=True,
                message=f"Nothing was heard of its process for {patience}.",
            )
        ],
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
