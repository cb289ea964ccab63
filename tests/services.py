"""Services, and handlers that are given them: by parameters, as methods, through providers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from taskproc import Depends, TaskContext, TaskProcessor, current_task, inject, task
from tests.recording import note

if TYPE_CHECKING:
    from decimal import Decimal as Unknown

events: list[Any] = []
"""What has happened in this process, in order."""


class Mailer:
    """A service that counts its instances and remembers what closed it."""

    made: ClassVar[list[Mailer]] = []

    def __init__(self) -> None:
        self.closed: list[object] = []
        self.made.append(self)

    @property
    def number(self) -> int:
        """Which instance it is."""
        return self.made.index(self)


class Audit:
    """Another service."""


class Needy:
    """A class that nobody can construct without knowing more."""

    def __init__(self, host: str) -> None:
        self.host = host


class Built:
    """A class that asks for its parts."""

    def __init__(self, mailer: Mailer = inject()) -> None:
        self.mailer = mailer


class Sends(Protocol):
    """What a mailer can be asked."""

    @property
    def number(self) -> int: ...


@asynccontextmanager
async def opened(cls: type, ctx: TaskContext) -> AsyncIterator[Any]:
    """A resolver: an instance that is closed after the execution."""
    made = cls()
    events.append(("open", cls.__name__, ctx.id))
    try:
        yield made
    except BaseException as error:
        await asyncio.sleep(0.01)
        events.append(("close", cls.__name__, ctx.id, type(error).__name__))
        raise
    await asyncio.sleep(0.01)
    events.append(("close", cls.__name__, ctx.id, None))


@task
async def send(to: str, subject: str = "hi", mailer: Mailer = inject()) -> None:
    """On the loop."""
    note("sent", tag=to, subject=subject, mailer=mailer.number, closed=len(mailer.closed))


@task
def send_thread(to: str, *, mailer: Mailer = inject(), subject: str = "hi") -> None:
    """In a thread, its service between others."""
    note(
        "sent",
        tag=to,
        subject=subject,
        mailer=mailer.number,
        thread=threading.current_thread() is not threading.main_thread(),
    )


@task(raw=True, name="services.raw")
async def send_raw(data: bytes, mailer: Mailer = inject()) -> None:
    """Raw work."""
    note("sent", tag=data.decode(), mailer=mailer.number)


@task
async def send_others(to: str, *rest: int, mailer: Mailer = inject(), **others: int) -> None:
    """Takes whatever it gets."""
    note("sent", tag=to, rest=list(rest), others=others, mailer=mailer.number)


@task
async def send_twice(to: str, mailer: Mailer = inject(), again: Mailer = inject()) -> None:
    """Asks twice, and once more on its way."""
    third = await current_task().get(Mailer)
    note("sent", tag=to, same=mailer is again is third)


@task
async def know(tag: str, ctx: TaskContext = inject(), proc: TaskProcessor = inject()) -> None:
    """Asks for its context and its processor."""
    note("knows", tag=tag, own=ctx is current_task(), processor=proc is ctx.processor, cancelled=ctx.cancelled)


@task
async def need(tag: str, needy: Needy = inject()) -> None:
    """Asks for what there isn't."""
    note("sent", tag=tag)


@task
async def need_protocol(tag: str, mailer: Sends = inject()) -> None:
    """Asks for a protocol."""
    note("sent", tag=tag, mailer=mailer.number)


@task
async def need_built(tag: str, built: Built = inject()) -> None:
    """Asks for something that has parts."""
    note("sent", tag=tag, mailer=built.mailer.number)


class Shop:
    """A service whose methods are handlers."""

    made: ClassVar[list[Shop]] = []

    def __init__(self) -> None:
        self.made.append(self)

    @task
    async def order(self, tag: str, *, mailer: Mailer = inject()) -> None:
        """An instance method."""
        note("sent", tag=tag, kind=type(self).__name__, mailer=mailer.number)

    @task
    def order_thread(self, tag: str, *, mailer: Mailer = inject()) -> None:
        """In a thread."""
        note("sent", tag=tag, kind=type(self).__name__, mailer=mailer.number)

    @staticmethod
    @task
    async def ping(tag: str, *, mailer: Mailer = inject()) -> None:
        """A static method."""
        note("sent", tag=tag, mailer=mailer.number)

    @classmethod
    @task
    async def about(cls, tag: str, *, mailer: Mailer = inject()) -> None:
        """A class method."""
        note("sent", tag=tag, kind=cls.__name__, mailer=mailer.number)

    @task
    async def visit(self) -> None:
        """Does nothing."""

    @task(executor="process")
    def order_process(self, tag: str) -> None:
        """In a process."""
        note("sent", tag=tag, kind=type(self).__name__)

    @classmethod
    @task(executor="process")
    def about_process(cls, tag: str) -> None:
        """The class, in a process."""
        note("sent", tag=tag, kind=cls.__name__)


class Bakery(Shop):
    """Has inherited its handlers."""

    async def ping_not(self) -> None:
        """Not a handler."""


# providers


async def open_session(ctx: TaskContext) -> AsyncIterator[str]:
    """An async generator that knows its task."""
    events.append(("open", ctx.id))
    try:
        yield f"session of {ctx.id}"
    except BaseException as error:
        await asyncio.sleep(0.01)
        events.append(("failed", type(error).__name__))
        raise
    finally:
        await asyncio.sleep(0.01)
        events.append(("closed", ctx.id))


def open_cursor(session: str = Depends(open_session)) -> Iterator[str]:
    """A plain generator, in threads, that needs the other."""
    events.append(("cursor", threading.current_thread() is threading.main_thread()))
    yield f"cursor of {session}"
    events.append(("cursor closed", threading.current_thread() is threading.main_thread()))


async def settings() -> dict[str, int]:
    """An async function."""
    await asyncio.sleep(0)
    events.append("settings")
    return {"page": 50}


def page(found: dict[str, int] = inject(settings)) -> int:
    """A plain function."""
    return found["page"]


async def hang() -> AsyncIterator[None]:
    """Closes when it likes."""
    try:
        yield
    finally:
        await asyncio.sleep(60)


async def broken_close() -> AsyncIterator[str]:
    """Can't be closed."""
    yield "fine"
    raise ConnectionError("the commit failed")


@task
async def query(
    tag: str, cursor: str = Depends(open_cursor), session: str = inject(open_session), size: int = inject(page)
) -> None:
    """Is given what providers provide."""
    note("queried", tag=tag, cursor=cursor, session=session, size=size)
    events.append("handler")


@task(timeout=0.3)
async def query_slowly(seconds: float, fail: str = "", session: str = inject(open_session)) -> None:
    """Takes its time, or fails."""
    events.append("handler")
    if fail:
        raise ValueError(fail)
    await asyncio.sleep(seconds)


@task(timeout=0.3)
def query_in_thread(seconds: float, session: str = inject(open_session)) -> None:
    """Takes its time whatever it is told."""
    time.sleep(seconds)
    events.append("handler")


@task
async def commit(tag: str, session: str = inject(broken_close)) -> None:
    """Succeeds until it is committed."""
    note("sent", tag=tag)


@task(timeout=0.1, max_attempts=1)
async def hold(tag: str, held: None = inject(hang)) -> None:
    """Ends, and its service doesn't."""
    events.append("handler")


@task(timeout=0.1, max_attempts=1)
async def hold_on(tag: str, held: None = inject(hang)) -> None:
    """Doesn't end, and neither does its service."""
    await asyncio.sleep(60)


@task(timeout=0.1, max_attempts=1)
def hold_in_thread(tag: str, held: None = inject(hang)) -> None:
    """Ends late, and its service doesn't."""
    time.sleep(0.2)


@task
async def typed_elsewhere(tag: str, unknown: Unknown = inject(page)) -> int:
    """A type that only a type checker knows does no harm where a provider is named."""
    note("sent", tag=tag, size=str(unknown))
    return 7


@task
async def send_nobody(to: str, mailer: Mailer = inject(), size: int = inject(page)) -> None:
    """Is given services and does nothing."""
