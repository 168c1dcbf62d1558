"""The monitored models that a command is given: settings files, and folders full of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.settings import Settings, load_settings
from records.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Fleet:
    """Several monitored models, by name, the folders that were said to hold all of theirs, and those that hold none."""

    models: tuple[Settings, ...]
    folders: tuple[Path, ...]
    emptied: tuple[Path, ...] = ()

    def covers(self, settings: Path) -> bool:
        """Say whether a settings file would be part of the fleet if it were still there, or still named its model."""
        return settings.parent in self.folders or settings in {model.path for model in self.models}


def muster(paths: Sequence[Path], *, emptied: bool = False) -> Fleet:
    """Read every settings file that `paths` name, all before anything is done with one; of a folder, its `*.toml`.

    Raises `BadSettings`, which names the file, for one that cannot be used, for a folder without any unless `emptied`
    ones are welcome, and for two files that name the same model.
    """
    models = [load_settings(file) for file in files_in(paths, emptied=emptied)]
    first: dict[str, Settings] = {}
    for model in models:
        other = first.setdefault(model.model, model)
        if other is not model:
            raise BadSettings(
                f"{str(other.path)!r} and {str(model.path)!r} both name the model {model.model!r}; rename one"
            )
    folders = tuple(path.resolve() for path in paths if path.is_dir())
    return Fleet(tuple(models), folders, tuple(folder for folder in folders if not any(folder.glob("*.toml"))))


def files_in(paths: Sequence[Path], *, emptied: bool = False) -> tuple[Path, ...]:
    """Return the settings files that `paths` name, each once; `BadSettings` for a folder without any, or `emptied`."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not inside and not emptied:
            raise empty(path)
        files += inside
    return tuple(dict.fromkeys(file.resolve() for file in files))


def empty(folder: Path) -> BadSettings:
    """What is wrong with a folder that holds no settings file."""
    return BadSettings(f"the folder {str(folder)!r} holds no *.toml; write one with `driftloop init`")
