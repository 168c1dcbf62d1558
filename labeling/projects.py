"""Label projects on a real server: each is found by a mark it bears, made once, and has its tabs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256

from labeling import control
from labeling.exchange import check_title
from labeling.tabs import tabs
from labeling.wire import MaybeDone, Wire
from records.errors import BadData, NotFound, ServiceDown

_N_ATTEMPTS = 3
Settle = Callable[[Callable[[], bool]], None]
"""Waits until something is so, or until it is not worth waiting any longer."""


class Projects:
    """The label projects of one server, which may finish a request whose answer got lost; `settle` waits for that."""

    def __init__(self, wire: Wire, settle: Settle) -> None:
        self._wire = wire
        self._settle = settle

    def open(
        self, title: str, config: str, instructions: str, *, overlap: int, suggestions: bool, in_doubt: bool
    ) -> int:
        """Return the one project with this title, config, overlap and suggestions, made if it is not there.

        `in_doubt`, an earlier request to make it may still be under way. Raises `BadData` if its config was changed.
        """
        kind = f"{overlap} suggestions" if suggestions else f"{overlap}"
        identity = "\n".join((check_title(title), kind, config))
        mark = f"driftloop {sha256(identity.encode()).hexdigest()[:16]}"
        found = self._find(mark)
        if found is None and in_doubt:
            self._settle(lambda: self._find(mark) is not None)
            found = self._find(mark)
        if found is None:
            found = self._make(mark, title, config, instructions, overlap, suggestions)
        elif trouble := control.altered(found, control.present(config), control.present(self._wire.look(found)[0])):
            raise BadData(trouble)
        self._set_up_tabs(found)
        return found

    def _find(self, mark: str) -> int | None:
        marked = [project for project, description in self._wire.list_projects() if description.endswith(mark)]
        if len(marked) > 1:  # made twice, the other time too late: an empty one must not take over
            return min(marked, key=lambda project: (-self._wire.look(project)[1], project))
        return marked[0] if marked else None

    def _make(self, mark: str, title: str, config: str, instructions: str, overlap: int, suggestions: bool) -> int:
        try:
            self._wire.make_project(
                title=title,
                description=f"Made by Driftloop, which finds it by this mark: {mark}",
                label_config=config,
                expert_instruction=instructions,
                show_instruction=True,
                maximum_annotations=overlap,
                show_collab_predictions=suggestions,  # a pre-selected answer makes people agree with the model
                enable_empty_annotation=False,
            )
        except MaybeDone:
            self._settle(lambda: self._find(mark) is not None)
        found = self._find(mark)
        if found is None:
            raise ServiceDown(f"Label Studio at {self._wire.shown!r} did not make the project {title!r}; try again")
        return found

    def _set_up_tabs(self, project: int) -> None:
        """Make the tabs that are missing; of a tab that was made twice the first stays, others are left alone."""
        wanted = {str(tab["title"]): tab for tab in tabs()}
        there: dict[str, int] = {}
        for tab, title in self._wire.list_tabs(project):
            if title in there and title in wanted:
                with suppress(NotFound):  # an earlier request that got no answer has deleted it after all
                    self._wire.delete_tab(project, tab)
            there.setdefault(title, tab)
        for title, data in wanted.items():
            if title not in there:
                self._make_tab(project, title, data)

    def _make_tab(self, project: int, title: str, data: Mapping[str, object]) -> None:
        def is_there() -> bool:
            return any(title == present for _, present in self._wire.list_tabs(project))

        for attempt in range(1, _N_ATTEMPTS + 1):
            try:
                self._wire.make_tab(project, data)
                return
            except MaybeDone:
                self._settle(is_there)
                if is_there():
                    return
                if attempt == _N_ATTEMPTS:
                    raise
