"""Tells what it does."""

from snakepit_bridge import context, telemetry


def work(rows: int) -> int:
    with telemetry.span("work", rows=rows):
        telemetry.emit("cache.missed", {"bytes": 12.5, "loss": float("nan")}, {"key": "a", "tags": [1, None]})
        context.log.info("worked on %d rows", rows)
    return context.call_id


def flood(events: int) -> int:
    return sum(telemetry.emit("flood", {"number": number}) for number in range(events))
