"""A proxy in front of a server that breaks connections where a test says: before a request, within it, or after it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from taskproc.store.scripts import SCRIPTS
from tests.servers import Server

NAMES = {key: name for name, script in SCRIPTS.items() for key in (script.sha, script.text)}


class Cut(Enum):
    """Where a connection breaks."""

    BEFORE = "the request is not forwarded"
    WITHIN = "half of the request is forwarded, so that nothing is executed"
    AFTER = "the request is executed, its answer is not forwarded"
    ANSWER = "the request is executed, half of its answer is forwarded"


@dataclass
class Rule:
    """Cuts at requests of one name."""

    name: str
    when: Cut
    skip: int
    times: int


class Link:
    """One client's connection through the proxy."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.requests, self.to_client = client
        self.answers, self.to_server = server
        self.pending: Cut | None = None  # where the answer that comes next breaks

    def abort(self) -> None:
        """Break it on both sides."""
        self.to_client.transport.abort()
        self.to_server.transport.abort()


class Proxy:
    """``async with Proxy(server) as proxy``: clients connect to ``proxy.url``. Everything passes until it is told otherwise.

    A request goes by the name of its script, or by its command. The server knows all scripts from the start, so
    that a call is one request.
    """

    def __init__(self, server: Server) -> None:
        self.requests: list[str] = []
        self.cuts: list[tuple[str, Cut]] = []
        self._server = server
        self._rules: list[Rule] = []
        self._share, self._dice = 0.0, random.Random()
        self._links: set[Link] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._flowing = asyncio.Event()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self._port}/0"

    def cut(self, name: str, when: Cut, *, skip: int = 0, times: int = 1_000_000) -> None:
        """Break the connection at the next requests of a script or command, so many times, after some that pass."""
        self._rules.append(Rule(name, when, skip, times))

    def cut_randomly(self, share: float, seed: int) -> None:
        """Break the connection at this share of all requests, before, within or after."""
        self._share, self._dice = share, random.Random(seed)

    def turn(self, server: Server) -> None:
        """From now on connections lead to another server."""
        self._server = server
        self.disconnect()

    def refuse(self) -> None:
        """Break all connections and take no new ones, until ``heal``."""
        self._refusing = True
        self.disconnect()

    def hold(self) -> None:
        """Forward nothing, with all connections open, until ``heal``."""
        self._flowing.clear()

    def disconnect(self) -> None:
        """Break all connections there are now."""
        for link in self._links:
            link.abort()

    def heal(self) -> None:
        """Let everything pass from now on."""
        self._rules.clear()
        self._share, self._refusing = 0.0, False
        self._flowing.set()

    async def __aenter__(self) -> Self:
        with self._server.client() as client:
            for script in SCRIPTS.values():
                client.script_load(script.text)
        self._flowing.set()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server.port)
        except OSError:
            writer.transport.abort()
            return
        if self._refusing:  # it was on its way when that began
            server[1].transport.abort()
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        self._links.add(link)
        pumps = [asyncio.create_task(self._forward(link)), asyncio.create_task(self._answer(link))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _forward(self, link: Link) -> None:
        while True:
            name, request = await read_request(link.requests)
            await self._flowing.wait()
            self.requests.append(name)
            cut = self._choose(name)
            if cut is not None:
                self.cuts.append((name, cut))
            if cut is Cut.BEFORE:
                return
            if cut is Cut.WITHIN:
                link.to_server.write(request[: len(request) // 2])
                await link.to_server.drain()
                return
            link.pending = cut
            link.to_server.write(request)
            await link.to_server.drain()

    async def _answer(self, link: Link) -> None:
        while answer := await link.answers.read(65536):
            await self._flowing.wait()
            if link.pending is Cut.AFTER:
                return
            if link.pending is Cut.ANSWER:
                link.to_client.write(answer[: len(answer) // 2])
                await link.to_client.drain()
                return
            link.to_client.write(answer)
            await link.to_client.drain()

    def _choose(self, name: str) -> Cut | None:
        for rule in self._rules:
            if rule.name == name and rule.times > 0:
                if rule.skip == 0:
                    rule.times -= 1
                    return rule.when
                rule.skip -= 1
        return self._dice.choice(list(Cut)) if self._dice.random() < self._share else None


@asynccontextmanager
async def answering(server: Server, change: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A server that seems to answer something else; its URL."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            writer.write(change(part))
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, before), pump(behind, writer), return_exceptions=True)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
    finally:
        listener.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The next request whole, and its name. Raises IncompleteReadError at the connection's end."""
    raw = [await reader.readuntil(b"\r\n")]
    parts = []
    for _ in range(int(raw[0][1:])):
        size = await reader.readuntil(b"\r\n")
        parts.append(await reader.readexactly(int(size[1:]) + 2))
        raw += (size, parts[-1])
    command = parts[0][:-2].upper()
    name = NAMES.get(parts[1][:-2]) if command in (b"EVALSHA", b"EVAL") else None
    return name or command.decode(), b"".join(raw)
