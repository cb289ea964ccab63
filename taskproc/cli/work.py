"""Commands that work: worker, demo."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import click

from taskproc.cli import logs
from taskproc.cli.connect import include, load
from taskproc.cli.supervisor import supervise
from taskproc.processor import TaskProcessor
from taskproc.worker.slots import RUNNER

logger = logging.getLogger("taskproc")

STOPPING = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a worker to stop."""


@click.command()
@click.argument("target", metavar="MODULE:PROCESSOR")
@click.option(
    "--queues", help="Serve these, comma-separated, first served first or as high:6,low:1, instead of the processor's."
)
@click.option("--include", "modules", multiple=True, metavar="MODULE", help="Run what this module or package defines too.")
@click.option("--max-workers", type=int, help="Tasks running at once in a process, instead of the processor's.")
@click.option(
    "--processes", default=1, show_default=True, type=click.IntRange(1, 1024), help="Worker processes to keep running."
)
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--lifeline", type=int, hidden=True)
def worker(
    target: str,
    queues: str | None,
    modules: tuple[str, ...],
    max_workers: int | None,
    processes: int,
    log_level: str,
    lifeline: int | None,
) -> None:
    """Run tasks until SIGTERM or Ctrl-C.

    A stop lets running tasks finish within the grace of the processor, hands the rest back and exits with 0.
    A second signal hands back at once.
    """
    logs.set_up(log_level)
    if processes > 1:
        arguments = [target, "--log-level", log_level]
        arguments += ["--queues", queues] if queues is not None else []
        arguments += ["--max-workers", str(max_workers)] if max_workers is not None else []
        arguments += [word for module in modules for word in ("--include", module)]
        processor = load(target)
        include(processor, modules)
        if processor.is_private:
            raise click.UsageError("embedded:// is a server of one process: use embedded:///some/folder for several")
        sys.exit(supervise([sys.executable, "-m", "taskproc", "worker", *arguments], processes))
    processor = load(target)
    include(processor, modules)
    processor.configure(
        queues=None if queues is None else [name.strip() for name in queues.split(",")], max_workers=max_workers
    )
    _run(serve(processor, lifeline))
    _leave()


@click.command()
@click.option(
    "--redis",
    "url",
    envvar="TASKPROC_DEMO_REDIS_URL",
    metavar="URL",
    help="A Redis of yours instead of the embedded server.",
)
@click.option("--limit", type=click.IntRange(1), help="Work on at most so many files.")
def demo(url: str | None, limit: int | None) -> None:
    """Show the whole thing on real input: three tenants' batches over the files of Python's standard library."""
    from taskproc.demo import play  # only this command needs it

    sys.exit(_run(play(url, limit)))


async def serve(processor: TaskProcessor, lifeline: int | None = None) -> None:
    """Run a processor until a signal asks it to stop; a second signal cuts the grace short.

    ``lifeline``: the supervisor's pipe, whose end is taken for a signal.
    """
    running = asyncio.create_task(processor.run())
    loop, asked = asyncio.get_running_loop(), 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        logger.info("stopping%s", "" if asked == 1 else " at once")
        if asked == 1 and processor.is_running:
            loop.create_task(processor.stop())
        else:
            running.cancel()

    # Not the loop's own handlers: it would drop them as it closes, and one more signal would kill the process then.
    for number in STOPPING:
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(ask))
    if lifeline is not None:
        loop.add_reader(lifeline, _orphaned, lifeline, ask)
    try:
        with suppress(asyncio.CancelledError):
            await running
    finally:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
    stuck = [task for task in asyncio.all_tasks() if task.get_name() == RUNNER]
    if stuck:  # the loop would wait for them as it closes
        _exit()


def _orphaned(lifeline: int, ask: Callable[[], None]) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    logger.warning("the supervisor is gone")
    ask()


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        import uvloop  # used where it is installed
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _leave() -> None:
    """Exit although a handler's thread may hang: its task has been handed back."""
    stuck = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if stuck:
        logger.warning("%d handler threads have not ended; leaving without them", len(stuck))
        _exit()


def _exit() -> None:
    logging.shutdown()
    os._exit(0)
