"""The store's snapshot on disk, so that a restart of the API keeps objects and resourceVersion.

Written whole to a temporary file and renamed: a crash leaves the old state. Assumes one server per file. A file
that cannot be read as a snapshot is refused with StateFileError, never overwritten silently.
"""

import json
import os
from pathlib import Path

from backstay.objectstore import JsonObject


class StateFileError(RuntimeError):
    """The file is there but holds no snapshot."""


def load_state(path: Path) -> JsonObject | None:
    """The snapshot in a file; None when there is no file. Raises StateFileError."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        snapshot = json.loads(text)
        if isinstance(snapshot["version"], int) and isinstance(snapshot["objects"], list):
            return dict(snapshot)
    except (ValueError, KeyError, TypeError):
        pass
    raise StateFileError(f"{path} is not a snapshot of the API; move it away to start empty")


def save_state(path: Path, snapshot: JsonObject) -> None:
    """Writes a snapshot; after return it is on disk."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(snapshot, file, separators=(",", ":"), ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
