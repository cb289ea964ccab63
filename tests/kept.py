"""Tasks with records, for tests that call scripts themselves."""

from __future__ import annotations

from typing import Any

from taskproc.store.scripts import to_json
from tests.direct import PAYLOAD, Direct, body

KEPT = b'{"k":"a"}\n'


def kept(local: int, payload: bytes = PAYLOAD) -> bytes:
    """The body of a task with a record."""
    return f"{local:010}+".encode() + KEPT + payload


def create(direct: Direct, count: int = 1, *, delay: int = 0, plain: int = 0) -> str:
    """A batch of tasks with records, and some without."""
    bodies = [*(kept(n) for n in range(count)), *(body(count + n) for n in range(plain))]
    lists = to_json([["d" if delay else "r", "q", count + plain, delay, False, count]])
    answer = direct.once("batch_create", direct.new(), "acme", "", "", "", lists, 0, *bodies)
    assert answer[0] == b"ok", answer
    return str(answer[1].decode())


def single(direct: Direct, local: int = 0, *, delay: int = 0, payload: bytes = PAYLOAD) -> str:
    """A task of no batch with a record; its id."""
    lists = to_json([["d" if delay else "r", "q", 1, delay, False, 1]])
    answer = direct.once("task_enqueue", "acme", "acme", "", 9, lists, f"{local:010}", kept(local, payload))
    assert answer[0] == b"ok", answer
    return str(answer[1].decode())


def append(direct: Direct, batch: str, nonce: str, start: int, count: int) -> list[bytes]:
    """Append a staged segment of tasks with records."""
    seg = f"{batch}+{nonce}"
    lists = to_json([["r", "q", count, 0, False, count]])
    assert direct.call("batch_stage", seg, 0, 1, lists, *(kept(start + n) for n in range(count))) == [b"ok"]
    sizes = to_json([["r", "q", count], ["rec", "", count, False, 0, f"{start:010}"]])
    return list(direct.once("segment_commit", batch, "acme", seg, "", sizes))


def read(direct: Direct, task: str, watch: int = 0) -> list[Any]:
    """What is read of a task."""
    return direct.call("task_read", task, "", watch)


def state(direct: Direct, task: str) -> bytes:
    """The state of a task."""
    return bytes(read(direct, task)[0])


def records(direct: Direct, seg: str) -> list[bytes]:
    """The fields of a segment's records."""
    return sorted(direct.client.hkeys(direct.key("b", seg, "rec")))
