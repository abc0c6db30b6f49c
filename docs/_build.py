# SPDX-License-Identifier: BSD-3-Clause
"""What the build of the documentation does to docstrings and pages."""

from __future__ import annotations

import re
import typing
from collections import abc as collections

import griffe

_ELSEWHERE: typing.Final = re.compile(r"\[(?!sake\b)([\w.]+)\]\[\]")
_NAMED_ELSEWHERE: typing.Final = re.compile(r"\[([^\]\n]+)\]\[(?!sake\b)[\w.]+\]")
"""References to what is not documented here: the build asks no other site for its pages."""


class Docstrings(griffe.Extension):
    """Documents methods that override a documented one, and shows names of other projects as code."""

    def on_package(self, *, pkg: griffe.Module, **_: typing.Any) -> None:
        """Work on everything once the whole package is known."""
        for cls in [item for item in _walk(pkg) if isinstance(item, griffe.Class)]:
            for member in cls.members.values():
                if not member.is_alias and member.docstring is None:
                    member.docstring = _find_inherited(cls, member.name)

        for item in _walk(pkg):
            if item.docstring is not None:
                item.docstring.value = _unlink(item.docstring.value)


def on_page_markdown(markdown: str, **_: typing.Any) -> str:
    """Do the same to a page; called by MkDocs."""
    return _unlink(markdown)


def _unlink(text: str) -> str:
    return _NAMED_ELSEWHERE.sub(r"\1", _ELSEWHERE.sub(r"`\1`", text))


def _walk(owner: griffe.Object) -> collections.Iterator[griffe.Object]:
    yield owner
    for member in owner.members.values():
        if isinstance(member, griffe.Object):
            yield from _walk(member)


def _find_inherited(cls: griffe.Class, name: str) -> griffe.Docstring | None:
    for base in cls.mro():
        inherited = base.members.get(name)
        if inherited is not None and not inherited.is_alias and inherited.docstring is not None:
            return griffe.Docstring(
                inherited.docstring.value,
                parent=inherited,
                parser=inherited.docstring.parser,
                parser_options=inherited.docstring.parser_options,
            )

    return None
