"""Where a client keeps its session between calls and between launches.

A store holds one small JSON object. `replace` is the one operation that matters: it writes only if the store still holds
the refresh token that was sent, so a slow answer never overwrites a newer one. A store that cannot be read or written
raises; it never answers as if it were empty, for that would sign the user out.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

State = dict[str, Any]


class Store(Protocol):
    """What a client needs of its keychain."""

    def load(self) -> State:
        """What was stored last; empty when nothing was."""
        ...

    def save(self, state: State) -> None:
        """Store *state*, durably, before returning."""
        ...

    def replace(self, sent: str | None, state: State) -> bool:
        """Store *state* if the refresh token in the store is still *sent* (None: if there is none); whether it was."""
        ...


class MemoryStore:
    """Forgets everything with the process."""

    def __init__(self) -> None:
        self._state: State = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "MemoryStore()"

    def load(self) -> State:
        """A copy of what was stored."""
        return dict(self._state)

    def save(self, state: State) -> None:
        """Keep a copy."""
        with self._lock:
            self._state = dict(state)

    def replace(self, sent: str | None, state: State) -> bool:
        """Compare and set."""
        with self._lock:
            if self._state.get("refresh_token") != sent:
                return False
            self._state = dict(state)
            return True


class FileStore:
    """A file that only its owner can read, replaced in one step; safe with several processes (POSIX locks)."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"

    def load(self) -> State:
        """What the file holds; empty when there is none, or when it is damaged."""
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def save(self, state: State) -> None:
        """Write beside, sync, and rename into place."""
        with self._locked():
            self._write(state)

    def replace(self, sent: str | None, state: State) -> bool:
        """Compare and set, across processes."""
        with self._locked():
            if self.load().get("refresh_token") != sent:
                return False
            self._write(state)
            return True

    def _write(self, state: State) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # else the old pair may be back after a power cut, and a spent token is reuse
        finally:
            os.close(directory)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
