"""What is found in modules that a processor includes: their functions, and those of all modules of a package."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType, ModuleType

from taskproc.errors import NoSuchModule


def check(name: str) -> None:
    """See that there is a module of a name, without importing it. Raises NoSuchModule."""
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise _missing(name, error) from None
    except (ImportError, ValueError) as error:
        raise NoSuchModule(f"include: {name!r} is not the name of a module: {error}") from None
    if found is None:
        raise NoSuchModule(f"include: No module named {name!r}")


def modules(name: str) -> Iterator[ModuleType]:
    """A module, and if it is a package all those within. Raises NoSuchModule."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise _missing(name, error) from None
    except (TypeError, ValueError) as error:
        raise NoSuchModule(f"include: {name!r} is not the name of a module: {error}") from None
    yield module
    for found in sorted(pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."), key=lambda found: found.name):
        if not found.name.endswith(".__main__"):  # a program, which would begin
            yield from modules(found.name)


def _missing(name: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """That a module isn't there, or what it fails to import itself."""
    if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
        return error
    return NoSuchModule(f"include: No module named {name!r}")


def functions_of(module: ModuleType) -> list[FunctionType]:
    """The functions and methods that are defined in a module and can be handlers; those of abstract classes can't."""
    found: list[FunctionType] = []
    for value in list(vars(module).values()):
        own = isinstance(value, type) and value.__module__ == module.__name__
        members = [] if own and inspect.isabstract(value) else list(vars(value).values()) if own else [value]
        for member in members:
            plain = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            if not isinstance(plain, FunctionType) or plain.__module__ != module.__name__ or plain.__name__.startswith("__"):
                continue
            if "<" in plain.__qualname__ or inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
                continue
            found.append(plain)
    return found


def derived(cls: type) -> Iterator[type]:
    """The classes that derive from one, however far."""
    found: list[type] = type.__subclasses__(cls)
    for sub in found:
        yield sub
        yield from derived(sub)
