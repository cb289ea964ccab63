"""The worker: this module wires its roles and orders its stop; each role is a file of its own.

fetcher    claims and settles in one call     slots      runs what was claimed
settler    outcomes on their way to Redis     executor   one task, step by step
heartbeat  renews leases from a thread        upkeep     promotes, rescues, prunes
scheduler  fires due schedules

Stopping, in this order: claim no more; let running tasks finish within the grace; hand back what has not
begun and cancel the rest; settle everything; leave the list of workers; leave the lifespan; close. A task that
is handed back has spent no attempt.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import anyio
from anyio.abc import TaskStatus

from taskproc.context import current
from taskproc.errors import SchemaMismatch, TaskprocError
from taskproc.handlers import MARK
from taskproc.maker import Maker
from taskproc.model import BatchState
from taskproc.options import Options
from taskproc.outcome import DONE, Released
from taskproc.store import Store, WorkerStore
from taskproc.store.waits import Events
from taskproc.store.work import MOST
from taskproc.templates import coded_templates, rule_function
from taskproc.worker.decoder import Decoder
from taskproc.worker.ends import before, only, to_its_end
from taskproc.worker.execution import Execution, Stop
from taskproc.worker.executor import Executor
from taskproc.worker.fetcher import Fetcher
from taskproc.worker.heartbeat import Heartbeat
from taskproc.worker.instances import Making
from taskproc.worker.keeping import Keeper
from taskproc.worker.lifespan import Lifespan
from taskproc.worker.loop import Loop
from taskproc.worker.scheduler import Scheduler
from taskproc.worker.scope import Scope
from taskproc.worker.services import WorkerServices
from taskproc.worker.settler import Settler
from taskproc.worker.slots import Slots
from taskproc.worker.sums import Sums
from taskproc.worker.tally import Tally
from taskproc.worker.turns import Turns
from taskproc.worker.upkeep import Upkeep

logger = logging.getLogger("taskproc")

ABORT_SECONDS = 0.5
"""How long cancelled handlers may take to end before their tasks are handed back without them."""

FLUSH_SECONDS = 5.0


class Worker:
    """One worker in this process."""

    def __init__(self, store: Store, options: Options, maker: Maker, processor: object) -> None:
        self._options = options
        lease, holds = options.invisibility_ms, options.deadletter_schedules
        self._store = WorkerStore(store.target, options.prefix, options.queues, lease, letters_hold=holds)
        work = self._store.work
        self._turns = None if options.serving.plain else Turns(options.serving)
        run = self._run_one if self._turns is None else self._turns.counted(self._run_one)
        self._slots = Slots(options.max_workers, run)
        making = Making(options.resolver)
        for handler in maker.registry.handlers():
            if hasattr(handler.function, MARK):  # what else is included may have parameters of another framework
                making.check(handler.wants)
        self._lifespan = Lifespan(options.lifespan, processor)
        self._services = WorkerServices(store, maker, work, self._slots.held, making)
        decoder = Decoder(options, maker.registry, self._services, self._large, processor)
        self._limits = maker.registry.limits()
        self._executor = Executor(options, decoder, making, self._slots.closing)
        self._settler = Settler(self._slots.held)
        self._keeper = Keeper(options, maker.registry, store.tasks)
        self._sums = Sums(self._store.statistics, options)
        self._chores = Upkeep(work, self._look_again, self._sums, options.retention_ms, options.poll_ms, lease)
        self._upkeep = Loop("upkeep", self._chores.step)
        self._coded = coded_templates(maker, cron_seconds=options.cron_seconds)
        self._scheduler = Scheduler(self._store.schedules, partial(rule_function, maker.registry), options.poll_ms / 1000)
        self._schedules = Loop("schedules", self._scheduler.step)
        marker, poll_ms = self._store.marker, options.poll_ms
        self._fetcher = Fetcher(work, self._slots, self._settler, marker, self._upkeep, poll_ms, self._turns)
        self._heartbeat = Heartbeat(
            self._store.leases,
            self._slots.held,
            lambda: work.worker,
            self._describe,
            options.invisibility_ms,
            options.renew,
        )
        self._events = Events(self._store.wire, store.prefix, ("cancel", "control"), self._on_message, self._on_subscribed)
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._started_ms = 0
        self._tally = Tally()

    # what runs

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop`` is called or this is cancelled; either way the stop is a clean one."""
        try:
            if not await self._begin():
                return
            async with anyio.create_task_group() as group:
                for role in (
                    self._slots.run,
                    self._fetcher.run,
                    self._fetcher.watch,
                    self._upkeep.run,
                    self._schedules.run,
                    self._events.run,
                    self._lifespan.watch,
                ):
                    group.start_soon(role)
                task_status.started()
                await self._stop.wait()
                await self._drain()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as group_error:
            raise only(group_error) from None
        finally:
            await self._end()

    async def run_until_idle(self) -> tuple[int, list[Exception]]:
        """Run all that is ready or due, and what that makes ready; how many tasks ran, and the errors of those that died."""
        try:
            if not await self._begin():
                return 0, []
            async with anyio.create_task_group() as group:
                group.start_soon(self._slots.run)
                group.start_soon(self._events.run)
                group.start_soon(self._lifespan.watch)
                while not self._stop.is_set() and await self._round():
                    pass
                await self._drain()
                group.cancel_scope.cancel()
        finally:
            await self._end()
        return self._tally.ran, self._tally.errors

    async def _round(self) -> bool:
        """Promote, settle, claim and run once; whether there may be more."""
        promoted = await self._store.work.promote()
        claimed = await self._fetcher.step(min(self._slots.free, MOST))
        if self._slots.busy and not self._fetcher.pending:
            await self._fetcher.news()
        return bool(promoted or claimed or self._fetcher.more or self._slots.busy or self._fetcher.pending)

    async def stop(self) -> None:
        """Stop cleanly and wait for it; a handler that asks for it doesn't wait for itself."""
        self._stop.set()
        if current.get(None) is None:
            await self._stopped.wait()

    # roles

    async def _run_one(self, execution: Execution, scope: Scope) -> None:
        began = time.perf_counter()
        outcome = await self._executor.run(execution, scope)
        us = int((time.perf_counter() - began) * 1e6)
        if execution.extended and outcome is not DONE:
            await self._keeper.keep(execution, outcome)
        if self._services.progresses.writers:
            self._services.progresses.end(execution.context)
        if execution.member not in self._slots.held:
            return  # it was handed back while it would not end
        if outcome is None:
            self._settler.drop(execution)
        else:
            self._tally.count(outcome)
            self._settler.add(execution, outcome, us)
        self._fetcher.poke()

    async def _large(self, execution: Execution, segment: str) -> bytes | None:
        """A task's large payload; it goes with its batch where that was cancelled meanwhile."""
        payload = await self._store.payload(segment, execution.body[:10])
        if payload is None:
            batch = await self._services.batch(execution.claims.batch)
            if batch is not None and batch.state is BatchState.CANCELLED:
                execution.halt(Stop.CANCELLED)
        return payload

    async def _look_again(self) -> None:
        await self._store.limits.look_again(self._limits)
        await self._store.rules.look_again()

    def _on_message(self, channel: str, text: str) -> None:
        if channel == "cancel":
            self._slots.halt(text, Stop.CANCELLED)
        elif text == "schedule":
            self._schedules.poke()
        else:
            self._schedules.poke()
            self._fetcher.look()

    def _on_subscribed(self) -> None:
        self._heartbeat.poke()
        self._chores.connected()
        self._upkeep.by(0)
        self._schedules.poke()
        self._fetcher.look()

    def _describe(self) -> dict[str, object]:
        host = socket.gethostname()
        return {
            "name": f"{host}:{os.getpid()}",
            "host": host,
            "pid": os.getpid(),
            "queues": list(self._options.queues),
            "slots": self._options.max_workers,
            "running": self._slots.busy,
            "started": self._started_ms,
            "coded": [key.decode() for key in self._scheduler.coded],
        }

    # start and stop

    async def _begin(self) -> bool:
        """Join the list of workers; False when the worker is told to stop before Redis could be reached."""
        if not await before(self._meet(), self._stop):
            return False
        self._started_ms = self._store.work.horizon.server_ms
        self._heartbeat.start()
        worker, queues = self._store.work.worker, ", ".join(self._options.queues)
        logger.info("worker %s serves %s with %d slots", worker, queues, self._slots.size)
        return True

    async def _meet(self) -> None:
        await self._store.check()
        await self._store.limits.declare(self._limits)
        await self._scheduler.declare(self._coded)
        await self._store.work.promote()
        self._services.app = await self._lifespan.enter()

    async def _drain(self) -> None:
        """Claim no more; let running tasks finish within the grace, then cancel them."""
        self._fetcher.end()
        self._release(self._slots.waiting())
        with anyio.move_on_after(self._options.grace_ms / 1000) as grace:
            await self._slots.ended()
        if grace.cancelled_caught:
            for execution in self._slots.running():
                execution.halt(Stop.STOPPING)
            with anyio.move_on_after(ABORT_SECONDS):
                await self._slots.ended()
        if self._slots.busy:
            return  # what will not end now is handed back without waiting for it
        with anyio.move_on_after(FLUSH_SECONDS):
            await self._fetcher.ended()

    async def _end(self) -> None:
        try:
            await to_its_end(self._finish())
        finally:
            self._stopped.set()

    async def _finish(self) -> None:
        """Hand back what is still held, settle everything, leave the list of workers, then the lifespan."""
        await self._services.progresses.close()
        self._store.patience = FLUSH_SECONDS
        if self._heartbeat.started:
            with anyio.move_on_after(FLUSH_SECONDS), suppress(SchemaMismatch):
                await self._flush()
                await self._sums.sum_up(hurry=True)
            await self._heartbeat.stop()  # before the worker leaves the list: a renewal would put it back
            with anyio.move_on_after(FLUSH_SECONDS), suppress(TaskprocError):
                await self._store.work.leave()
        try:
            await self._lifespan.leave(max(FLUSH_SECONDS, self._options.grace_ms / 1000))
        finally:
            await self._store.close()
            logger.info("worker %s stopped", self._store.work.worker)

    async def _flush(self) -> None:
        while self._fetcher.pending:
            await self._fetcher.step(0)
        self._slots.waiting()
        self._release(list(self._slots.running()))
        while self._fetcher.pending:
            await self._fetcher.step(0)

    def _release(self, executions: Sequence[Execution]) -> None:
        for execution in executions:
            self._settler.add(execution, Released(), 0)
