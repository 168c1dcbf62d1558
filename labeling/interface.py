"""What labelers see around the row: the labelling config of a project, and its instructions."""

from html import escape
from xml.sax.saxutils import quoteattr

from labeling.answers import CONTROL, MOST_CHOICES, TARGET, shown
from labeling.expected import Expected
from records.schema import Schema

_HEAD = f'name="{CONTROL}" toName="{TARGET}" required="true" requiredMessage="Give an answer, or skip this row"'

# The folded part stays white in the dark theme by itself; the panels beside are about regions, which rows do not have.
_STYLE = """[class*=ant-collapse] { background: transparent !important; color: inherit !important; }
    [class*=sidepanels__wrapper] { display: none !important; }
    [class*=sidepanels] { padding-right: 0 !important; }"""


def config(schema: Schema, question: str, *, expected: Expected | None = None, show_reason: bool = False) -> str:
    """Return Label Studio's labelling config: the question and its answers above, the row below.

    Up to nine classes are choices with the hotkeys 1 to 9; more are a list with a search field. A number is typed as
    text, because Label Studio's own number field stores 0 when it is cleared; `expected` says which numbers are. The
    model's opinion is folded away, and why the row was drawn is shown only with `show_reason`.

    >>> schema = Schema("id", "t", "late", "classification", (), (), classes=("on time", "late"))
    >>> print(config(schema, "Will it be late?").splitlines()[6].strip())
    <Choice value="on time" hotkey="1"/>
    """
    reason = '\n  <Text name="reason" value="$reason"/>' if show_reason else ""
    return f"""<View>
  <Style>{_STYLE}</Style>
  <Header value={_attribute(question)} size="3"/>
{_control(schema, expected)}{reason}
  <HyperText name="{TARGET}" value="$row_html" inline="true"/>
  <Collapse>
    <Panel value="The model's opinion (open it after you have decided)"><Text name="opinion" value="$opinion"/></Panel>
  </Collapse>
  <TextArea name="note" toName="{TARGET}" placeholder="Note (optional)" rows="1" maxSubmissions="1" editable="true"/>
</View>"""


def instructions(
    schema: Schema,
    question: str,
    *,
    expected: Expected | None = None,
    suggestions: bool = False,
    again: bool = False,
) -> str:
    """Return what a labeler should know before starting, as HTML for the project's instructions.

    `suggestions` says that some rows come with the model's answer filled in, `again` that this is a second look.

    >>> schema = Schema("id", "t", "delay", "regression", (), (), units=(("delay", "minutes"),))
    >>> "decimal point" in instructions(schema, "How late was it?")
    True
    """
    unit = schema.unit(schema.target)
    if schema.task == "regression":
        how = (
            f"Type one number{f' in {escape(unit)}' if unit else ''} with a decimal point, without "
            "thousands separators and without its unit, press Enter, then Ctrl+Enter to submit. An answer in another "
            "form cannot be used."
        )
        if expected is not None:
            how += f" Answers are expected {escape(expected.words(schema))}; another one is looked at a second time."
    elif len(schema.classes) <= MOST_CHOICES:
        how = "Press the key beside your answer (1, 2, …), then Ctrl+Enter to submit."
    else:
        how = (
            "Click on the list, type a few letters, press ↓ and Enter to pick one answer and Esc to close the list, "
            "then Ctrl+Enter to submit."
        )
    lines = [
        how,
        "The table shows this row beside what was usual when the model was trained: the range that held 90 % of the "
        "values with the middle one, or the commonest categories. Features that have changed since are on top.",
        "Unusual is not wrong: answer what is true of this row.",
        "Decide before you open the model's opinion.",
        "Skip a row if you cannot know its answer. A skipped row counts for nothing, which is better than a guess.",
    ]
    if suggestions:
        lines.insert(
            4, "On some rows the model's answer is filled in. It may be wrong: check it as you would any other."
        )
    if again:
        lines.insert(0, "People disagreed on these rows, or gave an unlikely answer. Please take your time.")
    # Label Studio strips styles and list markers here, so the bullets are characters.
    return f"<p><b>{escape(question)}</b></p><br>" + "".join(f"<p>• {line}</p>" for line in lines)


def _control(schema: Schema, expected: Expected | None) -> str:
    if schema.task == "regression":
        unit = schema.unit(schema.target)
        number = f"A number{f' in {unit}' if unit else ''}, such as 12.5"
        hint = _attribute(f"A number, expected {expected.words(schema)}" if expected else number)
        return f'  <TextArea {_HEAD} placeholder={hint} rows="1" maxSubmissions="1" editable="true"/>'
    if len(schema.classes) <= MOST_CHOICES:
        tag, knobs = "Choices", 'choice="single-radio" showInLine="true"'
        hotkeys = [f' hotkey="{i}"' for i in range(1, len(schema.classes) + 1)]
    else:
        tag, knobs = "Taxonomy", 'leafsOnly="true" maxUsages="1" minWidth="340px" placeholder="Find the answer"'
        hotkeys = [""] * len(schema.classes)
    choices = (f"    <Choice value={_attribute(n)}{key}/>" for n, key in zip(schema.classes, hotkeys, strict=True))
    return "\n".join([f"  <{tag} {_HEAD} {knobs}>", *choices, f"  </{tag}>"])


def _attribute(text: str) -> str:
    return quoteattr(shown(text))
