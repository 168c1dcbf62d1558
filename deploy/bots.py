"""Bot labelers: real Label Studio users who answer tasks from the recorded truth, with a known share of mistakes.

They stand in for people in the demo and in tests, and go the way people go: an administrator's invitation, the
sign-up form, an access of their own, one annotation per task through Label Studio's own API. What they decide about a
row depends only on the seed, the bot and the row key, so a rerun answers alike whatever the order.
"""

import hashlib
import itertools
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import numpy as np

from labeling.answers import CONTROL, shown
from records.errors import Conflict, NotAllowed, ServiceDown

NAMES = ("ada", "ben", "cem")
ROW_KEY = "row_key"
_ACCESS_SECONDS = 200.0  # an access token lives 300 s
_PAGE = 500
_TIMEOUT_SECONDS = 60.0
_INCLUDE = "id,data,overlap,annotations,completed_by"

Kind = Literal["right", "wrong", "skip"]


@dataclass(frozen=True, slots=True)
class Bot:
    """One labeler: a user of Label Studio with an access token of its own; secrets never appear in `repr`."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    user_id: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the bots did: annotations with an answer (`n_wrong` of them wrong), and skips."""

    n_answered: int
    n_skipped: int
    n_wrong: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What one bot says about one row: `answer` is None for a skip."""

    kind: Kind
    answer: str | None
    lead_time_seconds: float


def hire(url: str, admin_token: str, *, names: Sequence[str] = NAMES) -> tuple[Bot, ...]:
    """Sign up one new user per name through an invitation link; each makes an access token of its own.

    Raises `NotAllowed` if the token is refused or the user exists already, `ServiceDown` if nobody answers.
    """
    with _client(url) as client:
        invitation = _asked(client, "GET", "/api/invite", headers={"Authorization": f"Token {admin_token}"}).json()
    return tuple(_sign_up(url, invitation["invite_url"], f"{name}@example.com") for name in names)


def decide(
    bot: str, row_key: str, truth: str | None, classes: Sequence[str], *, error_rate: float, skip_rate: float, seed: int
) -> Decision:
    """Return what a bot says about a row; without a truth it skips, as somebody who cannot know should.

    A wrong answer is one of the other classes; for numbers (no classes) it is off by up to a half. Thinking takes a
    lognormal time around 8 s.

    >>> decide("ada", "2013-03-05-B6-1234-JFK", "late", ("late", "on time"), error_rate=1, skip_rate=0, seed=1).answer
    'on time'
    >>> decide("ada", "2013-03-05-B6-1234-JFK", None, ("late", "on time"), error_rate=0, skip_rate=0, seed=1).kind
    'skip'
    """
    digest = hashlib.sha256(f"{seed}/{bot}/{row_key}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    skips, errs = random.random(2)
    lead_time = float(np.clip(random.lognormal(math.log(8), 0.5), 2, 120))
    if truth is None or skips < skip_rate:
        return Decision("skip", None, lead_time)
    if errs >= error_rate:
        return Decision("right", truth, lead_time)
    others = [name for name in classes if name != truth]
    wrong = str(random.choice(others)) if others else f"{float(truth) * random.uniform(0.5, 1.5):.6g}"
    return Decision("wrong", wrong, lead_time)


def answer_all(
    url: str,
    bots: Sequence[Bot],
    project: int,
    truth: Mapping[str, str],
    classes: Sequence[str],
    *,
    error_rate: float = 0.05,
    skip_rate: float = 0.04,
    seed: int = 0,
    on_answer: Callable[[], None] | None = None,
) -> Answered:
    """Let the bots answer every task of a project that still wants an annotation, side by side in threads.

    A task wants as many bots as its overlap says; one that a bot has answered or skipped before is not given to it
    again, so a second call does nothing. Each annotation takes 0.1 to 0.3 s of Label Studio's time. `on_answer` is
    called after each one, from the bot's thread. Raises `NotAllowed` or `ServiceDown`; what was submitted stays.
    """
    shares: dict[str, list[tuple[int, str]]] = {bot.email: [] for bot in bots}
    with _Session(url, bots[0]) as session:
        control = _control(session, project)
        for task in _tasks(session, project):
            for bot in _wanted(task, bots, seed=seed):
                shares[bot.email].append((task["id"], str(task["data"][ROW_KEY])))
    stop = threading.Event()
    knobs = {"error_rate": error_rate, "skip_rate": skip_rate}

    def work(bot: Bot) -> list[Kind]:
        kinds: list[Kind] = []
        with _Session(url, bot) as session:
            for task_id, row_key in itertools.takewhile(lambda _: not stop.is_set(), shares[bot.email]):
                decision = decide(bot.email, row_key, truth.get(row_key), classes, seed=seed, **knobs)
                session.ask("POST", f"/api/tasks/{task_id}/annotations/", json=_annotation(decision, control))
                kinds.append(decision.kind)
                if on_answer:
                    on_answer()
        return kinds

    with ThreadPoolExecutor(len(bots), thread_name_prefix="labeler") as pool:
        try:
            futures = [pool.submit(work, bot) for bot in bots]
            kinds = list(itertools.chain.from_iterable(future.result() for future in futures))
        except BaseException:
            stop.set()
            raise
    return Answered(len(kinds) - kinds.count("skip"), kinds.count("skip"), kinds.count("wrong"))


def _sign_up(url: str, invite_url: str, email: str) -> Bot:
    password = secrets.token_urlsafe(18)
    with _client(url) as client:
        _asked(client, "GET", invite_url)
        form = {"email": email, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        answer = _asked(client, "POST", invite_url, data=form, headers={"Referer": url + invite_url})
        if answer.status_code != 302:
            raise NotAllowed(f"Label Studio at {url} did not let {email!r} sign up: it exists already, or is refused.")
        proof = {"X-CSRFToken": client.cookies["csrftoken"], "Referer": url}
        token = _asked(client, "POST", "/api/token/", json={}, headers=proof).json()["token"]
        user_id = _asked(client, "GET", "/api/current-user/whoami").json()["id"]
    return Bot(email, password, token, int(user_id))


class _Session:
    """One bot's connection; it renews its short-lived access token in time."""

    def __init__(self, url: str, bot: Bot) -> None:
        self._client = _client(url)
        self._bot = bot
        self._renew_at = 0.0

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        if time.monotonic() >= self._renew_at:
            access = _asked(self._client, "POST", "/api/token/refresh/", json={"refresh": self._bot.token}).json()
            self._client.headers["Authorization"] = f"Bearer {access['access']}"
            self._renew_at = time.monotonic() + _ACCESS_SECONDS
        return _asked(self._client, method, path, **arguments)


def _tasks(session: _Session, project: int) -> Iterator[dict[str, Any]]:
    query = {"project": project, "fields": "all", "page_size": _PAGE, "include": _INCLUDE}
    for page in itertools.count(1):
        answer = session.ask("GET", "/api/tasks/", params={**query, "page": page}).json()
        yield from answer["tasks"]
        if page * _PAGE >= answer["total"]:
            return


def _wanted(task: Mapping[str, Any], bots: Sequence[Bot], *, seed: int) -> tuple[Bot, ...]:
    """Return the bots that are to answer the task; which ones come first is drawn by its key.

    A skip counts as an answer here, or else a task nobody can answer would go round for ever.
    """
    done = {annotation["completed_by"] for annotation in task["annotations"]}
    digest = hashlib.sha256(f"{seed}/{task['data'][ROW_KEY]}".encode()).digest()
    first = int.from_bytes(digest[:8], "big") % len(bots)
    turn = (*bots[first:], *bots[:first])
    missing = int(task.get("overlap") or 1) - len(done)
    return tuple(bot for bot in turn if bot.user_id not in done)[: max(missing, 0)]


def _control(session: _Session, project: int) -> tuple[str, str]:
    """Return the type of the answering control and the name of what it labels."""
    known = session.ask("GET", f"/api/projects/{project}/").json()["parsed_label_config"]
    if CONTROL not in known:
        raise Conflict(f"Label Studio's project {project} has no control named {CONTROL!r}, only {sorted(known)}.")
    return known[CONTROL]["type"].lower(), known[CONTROL]["to_name"][0]


def _annotation(decision: Decision, control: tuple[str, str]) -> dict[str, Any]:
    kind, target = control
    body = {"lead_time": decision.lead_time_seconds, "was_cancelled": decision.kind == "skip", "result": []}
    if decision.answer is None:
        return body
    values: dict[str, object] = {
        "choices": {"choices": [shown(decision.answer)]},
        "taxonomy": {"taxonomy": [[shown(decision.answer)]]},
        "textarea": {"text": [decision.answer]},
    }
    result = {"from_name": CONTROL, "to_name": target, "type": kind, "value": values[kind], "origin": "manual"}
    return {**body, "result": [result]}


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)


def _asked(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    try:
        answer = client.request(method, path, **arguments)
    except httpx.TransportError as error:
        raise ServiceDown(f"Label Studio at {client.base_url} does not answer ({error}): is it running?") from error
    if answer.status_code in (401, 403):
        raise NotAllowed(f"Label Studio at {client.base_url} refused {method} {path.partition('?')[0]}.")
    if answer.status_code >= 400:
        where = f"{method} {path.partition('?')[0]}"
        raise ServiceDown(f"Label Studio at {client.base_url} answered {answer.status_code} to {where}.")
    return answer
