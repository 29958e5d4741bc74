"""An adapter that says all there is to say of its command."""

from snakepit_bridge import tool

__all__ = ["repeat"]


@tool(timeout=1.5, idempotent=True)
def repeat(word: str, times: int = 2) -> str:
    """Say it again.

    Args:
        word: What to say.
        times: How often.
    """
    return word * times
