"""The control that holds the answer in a labelling config, and whether somebody changed it by hand."""

from dataclasses import dataclass
from xml.etree import ElementTree

from labeling import answers
from records.schema import Schema


@dataclass(frozen=True, slots=True)
class Control:
    """What can be answered: the kind of control as Label Studio names it in a result, and its choices."""

    kind: str
    choices: tuple[str, ...] = ()


def needed(schema: Schema) -> Control:
    """Return the control that the answers to this schema come from.

    >>> needed(Schema("id", "t", "late", "classification", (), (), classes=("no", "yes")))
    Control(kind='choices', choices=('no', 'yes'))
    """
    if schema.task == "regression":
        return Control("textarea")
    kind = "choices" if len(schema.classes) <= answers.MOST_CHOICES else "taxonomy"
    return Control(kind, tuple(answers.shown(name) for name in schema.classes))


def present(config: str) -> Control | None:
    """Return the control of our name in a labelling config, or None if it has none or cannot be read.

    >>> present('<View><Choices name="label" toName="row"><Choice value="no"/></Choices></View>')
    Control(kind='choices', choices=('no',))
    """
    try:
        root = ElementTree.fromstring(config)
    except ElementTree.ParseError:
        return None
    for element in root.iter():
        if element.get("name") == answers.CONTROL:
            choices = tuple(str(choice.get("value")) for choice in element.iter("Choice"))
            return Control(element.tag.lower(), choices)
    return None


def altered(project: int, wanted: Control | None, found: Control | None) -> str:
    """Return a sentence on what was changed by hand in a project, empty if it can be answered as it was meant.

    >>> altered(7, Control("choices", ("no", "yes")), Control("choices", ("no",)))
    "the labelling config of project 7 was changed by hand: it lacks the choice 'yes'; put it back"
    """
    if wanted is None or wanted == found:
        return ""
    opening = f"the labelling config of project {project} was changed by hand"
    if found is None:
        return f"{opening}: it lacks the control {answers.CONTROL!r}; put it back"
    if found.kind != wanted.kind:
        return f"{opening}: its control {answers.CONTROL!r} is a {found.kind!r}, not a {wanted.kind!r}; put it back"
    lacks = [repr(name) for name in wanted.choices if name not in found.choices]
    if lacks:
        return f"{opening}: it lacks the choice {', '.join(lacks)}; put it back"
    extra = [repr(name) for name in found.choices if name not in wanted.choices]
    if extra:
        return f"{opening}: it has the choice {', '.join(extra)}, which the model does not know; take it out"
    return ""
