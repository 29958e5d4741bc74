"""Work for workers that come and go."""


def count(text: str) -> int:
    """The words of a text."""
    return len(text.split())
