"""Commands with everything there is to say of them."""

import dataclasses
import datetime
import enum
from typing import Any, Dict, List, Optional

from snakepit_bridge import BaseAdapter, SessionContext, tool


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclasses.dataclass
class Row:
    name: str
    size: int = 0


class Adapter(BaseAdapter):
    def __init__(self):
        super().__init__()
        self.ran = 0

    def set_session_context(self, context: SessionContext) -> None:
        self.session_context = context

    @tool(timeout=2.5, idempotent=True)
    def total(
        self,
        rows: List[Row],
        colour: Colour = Colour.RED,
        day: datetime.date = datetime.date(2026, 1, 2),
        ratio: float = 0.1,
        note: Optional[str] = None,
        kind: Any = object,
        **options: bool,
    ) -> Dict[str, Any]:
        """Add up the sizes.

        Args:
            rows: What to add up.
        """
        self.ran += 1
        return {
            "total": sum(row.size for row in rows),
            "colour": colour.name,
            "session": self.session_context.session_id,
        }

    @tool
    def ran_so_far(self) -> int:
        return self.ran

    def execute_tool(self, tool_name: str, arguments: Dict[str, Any], context: SessionContext) -> Any:
        return [tool_name, arguments, context.session_id]
