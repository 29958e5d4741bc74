"""Cannot be imported."""

settings = {}

HOST = settings["host"]


def ping():
    return HOST
