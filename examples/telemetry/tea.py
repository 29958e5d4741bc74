"""Makes tea, and tells how that goes. Nothing waits for what is told."""

from snakepit_bridge import BaseAdapter, context, telemetry, tool


class Kitchen(BaseAdapter):
    @tool
    def brew(self, cups: int) -> int:
        """Brew that many cups, and answer with the millilitres of water it took."""
        with telemetry.span("tea.brew", cups=cups) as span:
            water = self.pour(cups)
            span.measurements["millilitres"] = water
        return water

    @telemetry.span("tea.pour")
    def pour(self, cups: int) -> int:
        for cup in range(1, cups + 1):
            telemetry.emit("tea.poured", {"millilitres": 200}, {"cup": cup})
        return 200 * cups

    @tool
    def coffee(self) -> None:
        context.log.warning("this is a teapot")
        raise NotImplementedError("coffee")
