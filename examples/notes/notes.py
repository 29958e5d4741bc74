"""Notes of people, each in a session that outlives its worker."""

import json
from typing import Iterator

from snakepit_bridge import BaseAdapter, context, telemetry, tool


class Notes(BaseAdapter):
    """Keeps notes for sessions, not for itself."""

    @tool
    def add(self, text: str) -> int:
        """Add a note to this session, and say how many it has."""
        notes = context.state.setdefault("notes", [])
        notes.append(text)
        telemetry.emit("notes.added", {"letters": len(text)})
        return len(notes)

    @tool
    def words(self) -> Iterator[str]:
        """The words of the session's notes, one by one."""
        for note in context.state.get("notes", []):
            yield from note.split()

    @tool
    def translated(self) -> list:
        """The session's notes in the language of the caller, whose program knows it."""
        return [context.call("translate", text=note) for note in context.state.get("notes", [])]

    def save_session(self, session_id: str, state: dict) -> bytes:
        """What another worker needs to go on."""
        return json.dumps(state).encode()

    def load_session(self, session_id: str, data: bytes) -> dict:
        """The state made of that."""
        return dict(json.loads(data))
