"""What a docstring says of each parameter, whichever of the usual styles it is in; must not know signatures.

Read are Google's (`Args:`), NumPy's (`Parameters` underlined) and Sphinx's fields (`:param name:`). A docstring is
prose: what does not look like any of these says nothing, and is no error.
"""

from __future__ import annotations

import re
from typing import Iterable

_GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments)\s*:\s*$")
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"(?:Other )?Parameters\s*$")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_FIELD = re.compile(r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")

MAX_DOC = 500


def parameters(doc: str) -> dict[str, str]:
    """Parameters and what `doc`, indented as by `inspect.getdoc`, says of each: one line of at most 500 characters."""
    lines = doc.splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        text = line.strip()
        if _GOOGLE.match(text):
            found.update(_google(_block(lines[number + 1 :], _indent(line))))
        elif _NUMPY.match(text) and set(_line(lines, number + 1)) == {"-"}:
            found.update(_numpy(lines[number + 2 :], _indent(line)))
        else:
            field = _FIELD.match(text)
            if field is not None:
                rest = _block(lines[number + 1 :], _indent(line))
                found[field.group(1)] = _joined([field.group(2), *rest])
    return {name: text for name, text in found.items() if text}


def _google(block: list[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    entries = [_indent(line) for line in block if line.strip()]
    if not entries:
        return {}
    current: list[str] = []
    for line in block:
        entry = _GOOGLE_ENTRY.match(line.strip()) if _indent(line) == entries[0] else None
        if entry is not None:
            current = found.setdefault(entry.group(1), [entry.group(2)])
        else:
            current.append(line)
    return {name: _joined(text) for name, text in found.items()}


def _numpy(lines: list[str], indent: int) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for number, line in enumerate(lines):
        if line.strip() and _indent(line) <= indent:
            entry = _NUMPY_ENTRY.match(line.strip())
            if entry is None or set(_line(lines, number + 1)) == {"-"}:  # the next section
                break
            current = []
            for name in entry.group(1).split(","):
                found[name.strip().lstrip("*")] = current
        else:
            current.append(line)
    return {name: _joined(text) for name, text in found.items()}


def _block(lines: list[str], indent: int) -> list[str]:
    """The lines up to the first that is indented no deeper than `indent`, or that is empty before such a one."""
    block = []
    for line in lines:
        if line.strip() and _indent(line) <= indent:
            break
        block.append(line)
    return block


def _joined(lines: Iterable[str]) -> str:
    text = " ".join(" ".join(line.split()) for line in lines if line.strip())
    return text if len(text) <= MAX_DOC else text[: MAX_DOC - 3] + "..."


def _line(lines: list[str], number: int) -> str:
    return lines[number].strip() if number < len(lines) else ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
