"""Adds up baskets. Prices and discounts are known to the Rust program only, which is asked as if it were Python."""

from typing import List

from snakepit_bridge import BaseAdapter, ToolError, context, tool

DISCOUNTS = {"friend": 10, "stranger": 0}


class Shop(BaseAdapter):
    @tool
    def total(self, items: List[str]) -> dict:
        """What the items cost, and which of them have no price."""
        total, unknown = 0, []
        for item in items:
            try:
                total += context.call("price", item=item)
            except ToolError as error:
                # The code is the Rust program's own, and stable: what to do depends on it, not on a text.
                if error.code != "shop.no_price":
                    raise
                unknown.append(item)
        return {"total": total, "unknown": unknown}

    @tool
    def total_for(self, customer: str, items: List[str]) -> int:
        """What the items cost that customer. Rust looks the customer up, and calls `discount` to answer."""
        percent = context.call("discount_of", customer=customer)
        return int(self.total(items)["total"] * (100 - percent) // 100)

    @tool
    def discount(self, kind: str) -> int:
        """Percent off, for a kind of customer."""
        if kind not in DISCOUNTS:
            raise LookupError("no discount for a %s" % kind)
        return DISCOUNTS[kind]
