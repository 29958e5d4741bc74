"""Adapters to try things with, each a text to read as well: `snakepit_bridge.adapters.showcase`."""
