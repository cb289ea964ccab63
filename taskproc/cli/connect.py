"""What commands have in common: which instance they mean, and running async code."""

from __future__ import annotations

import asyncio
import getpass
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from taskproc.errors import NoSuchModule
from taskproc.processor import TaskProcessor

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PATIENCE = 5.0


def instance(command: F) -> F:
    """Options that name the instance a command is about."""
    for option in (
        click.option("--app", "app_", metavar="MODULE:PROCESSOR", help="Take the settings of this processor."),
        click.option(
            "--prefix", envvar="TASKPROC_PREFIX", default="taskproc", show_default=True, help="The instance's prefix."
        ),
        click.option("--redis", "url", envvar="TASKPROC_REDIS_URL", metavar="URL", help="Where Redis is."),
    ):
        command = option(command)
    return command


def as_json(command: F) -> F:
    """The option for output that a script reads."""
    return click.option("--json", "json_", is_flag=True, help="JSON instead of a table.")(command)


def acting(command: F) -> F:
    """The option that says who does it, for the journal."""
    return click.option("--actor", default=_user, show_default="your user name", help="Who does it, for the journal.")(
        command
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody knows the name of this process's user
        return f"uid {os.getuid()}"


def load(target: str) -> TaskProcessor:
    """The processor that ``module:name`` names. Raises a usage error that says what is wrong."""
    module, colon, name = target.partition(":")
    if not colon or not module or module.startswith(".") or not name:
        raise click.UsageError(f"{target!r}: name a processor as module:processor, such as myapp.tasks:proc")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
            raise
        raise click.UsageError(f"{target!r}: there is no module {error.name!r} in {os.getcwd()} or on the path") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise click.UsageError(f"{target!r}: module {module} has no {name!r}")
        found = getattr(found, part)
    if not isinstance(found, TaskProcessor):
        raise click.UsageError(f"{target!r} is a {type(found).__name__}, not a TaskProcessor")
    return found


def include(processor: TaskProcessor, modules: Sequence[str]) -> None:
    """Let a processor run what modules define. Raises a usage error for what is no module."""
    try:
        processor.include(*modules)
    except NoSuchModule as error:
        raise click.UsageError(str(error)) from None


def processor_of(app_: str | None, prefix: str, url: str | None) -> TaskProcessor:
    """The processor that a command's options name, not yet open. Raises a usage error where they name two."""
    context = click.get_current_context()
    for option, name in (("--prefix", "prefix"), ("--redis", "url")):
        if app_ and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} beside --app: the processor {app_} has one of its own; leave one of them out")
    return load(app_) if app_ else TaskProcessor(url, prefix=prefix, redis_patience=PATIENCE)


def call(app_: str | None, prefix: str, url: str | None, work: Callable[[TaskProcessor], Awaitable[T]]) -> T:
    """Open the instance, do something with it, close it."""
    processor = processor_of(app_, prefix, url)

    async def run() -> T:
        async with processor:
            return await work(processor)

    return asyncio.run(run())
