"""Fixtures: a server for each test process, an instance for each test, and the check that no key is left."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from tests import rows
from tests.cluster import SLOTS, one_of_six
from tests.coding import Program
from tests.direct import Direct
from tests.embedding import User, processes, until
from tests.frozen import Clock
from tests.harness import Instance
from tests.servers import CHOSEN, CLUSTERED, Server, running
from tests.sweep import Sweep

# Their asserts are to tell as much as those of tests.
pytest.register_assert_rewrite(
    "tests.model_purge",
    "tests.model_turns",
    "tests.store_calls",
    "tests.store_control",
    "tests.store_machine",
    "tests.store_purge",
    "tests.store_rules",
    "tests.store_schedules",
    "tests.tenancy",
    "tests.watching",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows", action="store_true", help="print every row of the seed systems with its tests and result")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background jobs, and all that they start, ignore it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--rows"):
        config.pluginmanager.register(rows.Report(), "rows")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    report.user_properties += [("row", name) for marker in item.iter_markers("row") for name in marker.args]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("row"):
            unknown = [name for name in marker.args if name not in rows.ROWS]
            assert not unknown, f"{item.nodeid}: there is no row {unknown}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of this test process."""
    with one_of_six(CHOSEN) if CLUSTERED else running(CHOSEN) as found:
        os.environ["TASKPROC_TEST_RECORD"] = found.url
        yield found


@pytest.fixture(scope="session")
def alone(server: Server) -> Iterator[Server]:
    """A server that is in no cluster, for what a cluster's would do or count otherwise."""
    if CLUSTERED:
        with running(CHOSEN) as found:
            yield found
    else:
        yield server


def new_name() -> str:
    """A name for an instance, one whose slot the first node of the tests' cluster has."""
    while True:
        name = f"t{uuid.uuid4().hex[:12]}"
        if not CLUSTERED or key_slot(name.encode()) < SLOTS // 3:
            return name


@asynccontextmanager
async def fresh(server: Server) -> AsyncIterator[Instance]:
    """An instance for a test; at the end whatever it has left is ended, and no key may remain."""
    found = Instance(server, new_name())
    yield found
    await found.close()
    leaked = Sweep(found.client, found.name).run()
    left = found.keys()
    if left:
        found.client.delete(*left)
    found.client.close()
    assert not leaked, f"keys are left: {leaked}"


@pytest.fixture
async def instance(server: Server) -> AsyncIterator[Instance]:
    """An instance of the test's own."""
    async with fresh(server) as found:
        yield found


@pytest.fixture
async def alone_instance(alone: Server) -> AsyncIterator[Instance]:
    """An instance on a server that is in no cluster."""
    async with fresh(alone) as found:
        yield found


@pytest.fixture
async def twin(server: Server) -> AsyncIterator[Instance]:
    """Another instance on the same server."""
    async with fresh(server) as found:
        yield found


@pytest.fixture
def clock(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The server's clock as the instance's calls and workers in this process read it."""
    found = Clock(monkeypatch, instance.name, instance.client.set)
    yield found
    instance.client.delete(found.key)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A program of the test's own that declares schedules."""
    found = Program(tmp_path, monkeypatch)
    yield found
    found.forget()


@pytest.fixture
def direct(server: Server) -> Iterator[Direct]:
    """An instance whose scripts the test calls itself; no key may remain."""
    found = Direct(server, new_name())
    yield found
    leaked = found.close()
    assert not leaked, f"keys are left: {leaked}"


@pytest.fixture
def cleared(direct: Direct) -> Iterator[None]:
    """What a test breaks and no script can end goes with it."""
    yield
    direct.clear()


@pytest.fixture
def fresh_gates() -> None:
    """A test has gates of its own."""
    from tests import keeping  # only here: its handlers are known wherever it is imported

    keeping.gates.clear()
    keeping.made.clear()


# for embedded servers


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for all that a test makes, temporary too; at its end no process and no temporary file may be left."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="tp-", dir="/tmp")))  # pytest's own are too long for a socket
    (path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(path / "tmp"))
    try:
        yield path
        until(lambda: not processes(path))
        assert os.listdir(path / "tmp") == []
    finally:
        for left in processes(path):
            os.kill(left, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def user() -> Iterator[Callable[..., User]]:
    """Starts processes that use a server; those still there at the end are killed."""
    started: list[User] = []

    def start(url: str, *options: str) -> User:
        started.append(User(url, *options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()


@pytest.fixture
def url(base: Path) -> str:
    """The URL of a folder below."""
    return f"embedded://{base}/data"
