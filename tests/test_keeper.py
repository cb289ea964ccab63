"""Embedded servers and their keepers, whoever is killed; servers that don't start, answer or stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from taskproc.errors import RedisUnavailable
from taskproc.store import embedded, keeper
from taskproc.store.embedded import open_embedded
from tests.embedding import User, answers, got, keepers, kill_keeper, pid, processes, put, servers, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


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
    """Answer one connection after the other, as a server would."""
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
