"""The smallest adapter there is: every public function is a command."""


def greet(name: str) -> str:
    return f"Hello, {name}!"


def count(to: int):
    for number in range(1, to + 1):
        yield number
