"""A clock that goes wrong: what every module of ours takes for the time of day, from a moment on."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

_ROOMS = ("flows", "labeling", "models", "monitors", "store")


class _Meta(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


def jump(by: timedelta) -> None:
    """Move the clock of this process; only what reads it as `datetime.now` is deceived."""

    class Shifted(datetime, metaclass=_Meta):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by  # type: ignore[arg-type]

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _ROOMS and "datetime.now(" in _text(module):
            module.datetime = Shifted  # type: ignore[attr-defined]


def _text(module: object) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).read_text(encoding="utf-8") if file else ""
