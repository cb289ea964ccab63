"""What is stored of a schedule: how its tasks are made without those who know the handler, and when they are."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

import orjson

from taskproc.call_options import CallOptions
from taskproc.codec import write_continuation
from taskproc.coded import check_ids, schedules_of
from taskproc.errors import InvalidValue
from taskproc.handler import Handler
from taskproc.handlers import default_name, module_name
from taskproc.ids import schedule_key
from taskproc.maker import Maker, extension_of, place_of
from taskproc.registry import Registry
from taskproc.schedule import NextRun, Schedule, next_run_name, rule_of
from taskproc.store.schedules import Template
from taskproc.values import shown


def template_of(
    maker: Maker, schedule: Schedule, handler: Any, args: Sequence[Any], kwargs: dict[str, Any], *, cron_seconds: bool,
    coded: bool = False,
) -> Template:  # fmt: skip
    """A schedule's template. Raises InvalidValue that names the field which makes no sense, and what enqueueing raises."""
    if not isinstance(schedule, Schedule):
        raise InvalidValue(f"schedule={shown(schedule)}: give a Schedule")
    schedule.check(cron_seconds=cron_seconds)
    found, payload = maker.call(handler, args, kwargs)
    key = schedule_key(schedule.tenant, schedule.id)
    scheduled = key + schedule.id
    options = CallOptions(queue=None if schedule.queue == "default" else schedule.queue)
    extension: dict[str, object] = {"s": scheduled, **extension_of(options, found, schedule.tenant, args, kwargs)}
    extension |= maker.lock(options, found, schedule.tenant, args, kwargs, payload)
    if schedule.unique and "u" not in extension:
        extension["u"] = key
    queue, _, _ = place_of(options, found, "default")
    spec = orjson.dumps(schedule.to_record())
    said = _digest(maker, schedule.tenant, spec, extension, queue, payload) if coded else ""
    if maker.sealer is not None:
        payload = maker.sealer.seal_schedule(schedule.tenant, scheduled, queue, payload)
    body = write_continuation(b"", extension, payload)
    return Template(
        schedule, key, spec, rule_of(orjson.loads(spec)), found.name, queue, schedule.unique, body, said
    )  # fmt: skip


def _digest(maker: Maker, tenant: str, *parts: object) -> str:
    """What tells whether the code says something else, or seals with another key; keyed where payloads are encrypted."""
    secret, keys = (b"", b"") if maker.sealer is None else (maker.sealer.lock_key(tenant), maker.sealer.told(tenant))
    said = b"\n".join([keys, *(part if isinstance(part, bytes) else orjson.dumps(part) for part in parts)])
    return hashlib.blake2b(said, digest_size=16, key=secret).hexdigest()


def coded_templates(maker: Maker, *, cron_seconds: bool) -> list[Template]:
    """The schedules that the code of all known handlers declares. Raises HandlerError where two have one id."""
    found: list[tuple[Schedule, FunctionType]] = []
    made = []
    for handler in _once(maker.registry.handlers()):
        for coded in schedules_of(handler.function):
            schedule = coded.named(handler.name)
            found.append((schedule, handler.function))
            made.append(
                template_of(
                    maker, schedule, handler.function, coded.args, dict(coded.kwargs), cron_seconds=cron_seconds, coded=True
                )
            )
    check_ids(found)
    return made


def _once(handlers: Iterable[Handler]) -> list[Handler]:
    """Handlers less those that derived classes have inherited: a schedule is its function's."""
    return list({handler.function: handler for handler in reversed(list(handlers))}.values())


def rule_function(registry: Registry, name: str) -> NextRun:
    """The function for ``next_run`` of a name: one of a module that has a known handler. Nothing is imported for it.

    Raises InvalidValue where there is none, or it is no plain one.
    """
    for module in {handler.function.__module__ for handler in registry.handlers()}:
        place = f"{module_name(module)}."
        found = getattr(sys.modules.get(module), name.removeprefix(place), None) if name.startswith(place) else None
        if isinstance(found, FunctionType) and default_name(found) == name:
            next_run_name(found)
            return found
    raise InvalidValue(f"next_run={shown(name)}: no module with a handler that is known here has such a function")
