"""Turns the roles of docstrings into links of the site."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc|obj):`(~?)([^`]+)`")
EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)
"""Google's section, as the site's reader knows it."""


class Roles(griffe.Extension):
    """Links what :class:`~a.b.C` names, where that has a page; else it is shown as code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is None:
            return

        def link(match: re.Match[str]) -> str:
            name = match[2]
            shown = name.rpartition(".")[2] if match[1] else name
            return (
                f'<autoref identifier="{_full(obj, name)}" optional><code>{shown}</code></autoref>'
            )

        text = ROLE.sub(link, obj.docstring.value)
        obj.docstring.value = EXAMPLE.sub(r"\1Examples:", text)


def _full(obj: griffe.Object, name: str) -> str:
    """Find out which object a name means where it is written."""
    first, _, rest = name.partition(".")
    try:
        return ".".join(filter(None, [obj.resolve(first), rest]))
    except griffe.NameResolutionError:
        return name
