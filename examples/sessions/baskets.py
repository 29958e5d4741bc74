"""A basket for each session. The dict in `context.state` is the session's, not the worker's: it moves along."""

import json

from snakepit_bridge import BaseAdapter, context, tool


class Baskets(BaseAdapter):
    @tool
    def add(self, item: str) -> list:
        """Put something into this session's basket, and show all that is in it."""
        basket: list = context.state.setdefault("basket", [])
        basket.append(item)
        return basket

    def save_session(self, session_id: str, state: dict) -> bytes:
        """What another worker needs to go on. The host keeps it."""
        return json.dumps(state).encode()

    def load_session(self, session_id: str, data: bytes) -> dict:
        """The state made of that, on a worker that has not seen the session yet."""
        return dict(json.loads(data))

    def session_closed(self, session_id: str, state: dict) -> None:
        """The session is over. What is printed reaches the host as an event."""
        print("%s takes %s home" % (session_id, " and ".join(state["basket"])))
