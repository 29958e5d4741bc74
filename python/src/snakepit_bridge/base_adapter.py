"""Where adapters of the original Snakepit import `BaseAdapter` and `tool` from; must not define anything."""

from ._api import BaseAdapter, tool

__all__ = ["BaseAdapter", "tool"]
