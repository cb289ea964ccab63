"""The examples do what they say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from taskproc import TaskProcessor
from tests.coding import Program
from tests.frozen import Clock
from tests.harness import Instance, until

ROOT = Path(__file__).resolve().parent.parent


def copy_of(name: str, folder: Path) -> Path:
    """An example with its server in a folder of the test's own."""
    text = (ROOT / "examples" / name).read_text()
    made = folder / name
    made.write_text(text.replace("embedded:///tmp/", f"embedded://{folder}/"))
    return made


def test_newsletter(tmp_path: Path) -> None:
    program = copy_of("newsletter.py", tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "taskproc", "worker", "newsletter:proc"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, env=env, timeout=50, check=True
        )
    finally:
        worker.terminate()
        told, _ = worker.communicate(timeout=20)
    assert "done: 1000 done, 0 failed" in done.stdout
    assert "newsletter: 1000 of 1000 sent" in told
    assert worker.returncode == 0


def test_csv_import(tmp_path: Path) -> None:
    program = copy_of("csv_import.py", tmp_path)
    lines = ["name,amount", *(f"n{n},{n}.10" for n in range(50)), "odd,-1"]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "rows.csv")], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout.splitlines() == ["failed: 50 stored, 1 refused", "  odd: a negative amount"], done.stderr


@pytest.mark.row("PJ-35")
def test_mail(tmp_path: Path) -> None:
    program = copy_of("mail.py", tmp_path)
    addresses = [f"user{number}@example.com" for number in range(6)]
    done = subprocess.run(
        [sys.executable, str(program), *addresses, "wrong"], capture_output=True, text=True, timeout=50, check=False
    )
    *sent, summary, given_up = done.stdout.splitlines()
    assert sorted(sent) == [f"{address}: sent at attempt 2" for address in addresses], done.stderr
    assert (summary, given_up) == ("6 sent, 1 given up, 2 at once", "  wrong: the server is busy, 3 times")


@pytest.mark.row("PJ-35")
def test_image_resize(tmp_path: Path) -> None:
    program = copy_of("image_resize.py", tmp_path)
    for name, shade in (("one", 10), ("two", 200)):
        (tmp_path / f"{name}.ppm").write_bytes(b"P6\n320 200\n255\n" + bytes([shade, 0, 255 - shade]) * 320 * 200)
    (tmp_path / "no.ppm").write_text("a text\nof\nthree\nlines")
    files = [str(tmp_path / f"{name}.ppm") for name in ("one", "two", "no")]
    done = subprocess.run([sys.executable, str(program), *files], capture_output=True, text=True, timeout=50, check=False)
    *made, summary, refused = done.stdout.splitlines()
    assert sorted(made) == [f"{name}.small.ppm: 64x40, made in a thread of its own" for name in ("one", "two")], done.stderr
    assert (summary, refused) == ("2 made small, 1 refused", "  no.ppm: not a picture of the PPM format")
    assert (tmp_path / "two.small.ppm").read_bytes() == b"P6\n64 40\n255\n" + bytes([200, 0, 55]) * 64 * 40


@pytest.mark.row("PJ-35")
def test_invoice(tmp_path: Path) -> None:
    program = copy_of("invoice.py", tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "taskproc", "worker", "invoice:proc"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        due = datetime.now(timezone(timedelta(hours=-5))) + timedelta(seconds=6)
        asked = [
            subprocess.run([sys.executable, str(program), "acme", due.isoformat()], capture_output=True, text=True, env=env,
                           timeout=50, check=True).stdout
            for _ in range(2)
        ]  # fmt: skip
        assert worker.stdout is not None
        sent = worker.stdout.readline()
    finally:
        worker.terminate()
        more, _ = worker.communicate(timeout=20)
    assert asked[0] == asked[1] or not asked[1], "the second time it may have been sent already"
    assert asked[0].startswith("delayed: ")
    at, _, told = sent.partition(" invoice ")
    late = datetime.strptime(at, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC) - due
    assert timedelta(milliseconds=-1) <= late < timedelta(seconds=1)  # the date is kept in whole milliseconds
    assert told == f"of {due:%B %Y} sent to acme\n"
    assert more == ""
    naive = subprocess.run(
        [sys.executable, str(program), "acme", "2030-01-31T09:00"], capture_output=True, text=True, env=env, check=False
    )
    assert "it has no time zone" in naive.stderr


def on_server(name: str, instance: Instance) -> str:
    """The text of an example, with an instance of the test's own."""
    place = f'"{instance.server.app_url}", prefix="{instance.name}"'
    return re.sub(r'"embedded:///tmp/[a-z-]+"', place, (ROOT / "examples" / name).read_text())


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that were printed meanwhile."""
    return capsys.readouterr().out.splitlines()


@pytest.mark.row("PJ-35")
async def test_cleanup(
    instance: Instance, clock: Clock, code: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CLEANUP_FOLDER", str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    clock.stand(datetime(2026, 3, 28, 12, tzinfo=UTC))
    proc: TaskProcessor = code.deploy(on_server("cleanup.py", instance)).proc
    async with proc:
        assert await proc.run_until_idle() == 0
        for night, due in enumerate(("2026-03-29T01:00", "2026-03-30T01:00"), 1):
            for number, days in enumerate((10, 31, 500)):
                path = tmp_path / "files" / f"{night}-{number}"
                path.touch()
                os.utime(path, (path.stat().st_mtime - days * 86_400,) * 2)
            clock.stand(datetime.fromisoformat(f"{due}+00:00") - timedelta(milliseconds=1))
            assert await proc.run_due_schedules() == 0
            clock.stand(datetime.fromisoformat(f"{due}+00:00"))
            assert [await proc.run_due_schedules() for _ in range(2)] == [1, 0], "three in Berlin, in both of its times"
            assert await proc.run_until_idle() == 1
            assert shown(capsys) == ["2 files removed"]
            assert sorted(os.listdir(tmp_path / "files")) == [f"{n + 1}-0" for n in range(night)]


def test_cleanup_by_hand(tmp_path: Path) -> None:
    program, env = copy_of("cleanup.py", tmp_path), {**os.environ, "CLEANUP_FOLDER": str(tmp_path / "files")}
    (tmp_path / "files").mkdir()
    os.utime((tmp_path / "files" / "old").open("x").name, (0, 0))
    command = [sys.executable, str(program)]
    for count in (1, 0):
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=50, check=False)
        removed, told = done.stdout.splitlines()
        assert removed == f"{count} files removed", done.stderr
        assert re.fullmatch(r"At 03:00 \(Europe/Berlin\), next 0[12]:00 UTC; last time done", told)


@pytest.mark.row("PJ-35")
async def test_payment_check(instance: Instance, clock: Clock, code: Program, capsys: pytest.CaptureFixture[str]) -> None:
    noon = clock.stand(datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)).replace(second=0)
    module = code.deploy(on_server("payment_check.py", instance))
    proc: TaskProcessor = module.proc
    module.A_DAY = 5
    async with proc:
        await module.watch(["one", "two"])
        clock.stand(noon + timedelta(seconds=59.999))
        assert await proc.run_due_schedules() == 0
        module.Bank.asked["two"] = -10
        for minute in range(1, 9):
            clock.stand(noon + timedelta(minutes=minute, seconds=0.5))
            if minute < 3:
                await module.watch(["one", "two"])
            asked = {1: ["one: not yet"], 2: ["one: not yet"], 3: ["one: paid"]}.get(minute, [])
            asked += ["two: not yet"] if minute <= 5 else []
            assert [await proc.run_due_schedules() for _ in range(2)] == [len(asked), 0]
            assert await proc.run_until_idle() == len(asked)
            assert sorted(shown(capsys)) == [f"12:0{minute} {told}" for told in asked]
        [left] = await proc.get_schedules("shop")
        assert (left.id, left.runs, left.next_at) == ("two", 5, None)


@pytest.mark.row("PJ-21")
async def test_endpoint(tmp_path: Path, anyio_backend: str) -> None:
    program = copy_of("endpoint.py", tmp_path)
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), "0", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int((await process.stdout.readline()).decode().rpartition(":")[2])
        ids = [await post(port, f"/orders/{n}") for n in range(30)]
        assert len(set(ids)) == 30
        assert sorted(await asyncio.gather(*(post(port, "/run") for _ in range(3)))) == ["0 tasks ran"] * 2 + [
            "30 tasks ran"
        ]
        for first in range(0, 1_000, 50):
            await asyncio.gather(*(post(port, f"/orders/{n}") for n in range(first, first + 50)))
        _, gone = await asyncio.open_connection("127.0.0.1", port)
        gone.write(b"POST /run HTTP/1.1\r\n\r\n")
        await gone.drain()
        async with TaskProcessor(f"embedded://{tmp_path}/taskproc-endpoint") as proc:

            async def begun() -> bool:
                totals = await proc.get_tenant("shop")
                return totals is not None and totals.done > 30

            await until(begun, 20)
        gone.close()
        left = int((await post(port, "/run")).split()[0])
        assert 0 < left < 1_000, "what was begun is not begun again"
        assert await post(port, "/run") == "0 tasks ran"
    finally:
        process.terminate()
        await process.wait()


async def post(port: int, path: str) -> str:
    """What an endpoint answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\n\r\n".encode())
    told = (await reader.read()).decode()
    writer.close()
    return told.partition("\r\n\r\n")[2].rstrip("\n")


def test_live_page(tmp_path: Path) -> None:
    program = copy_of("live_page.py", tmp_path)
    served = subprocess.Popen([sys.executable, str(program), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        with urlopen(url, timeout=20) as page:
            assert "EventSource" in page.read().decode()
        with urlopen(Request(f"{url}/start", method="POST"), timeout=20) as started:
            batch_id = started.read().decode()
        with urlopen(f"{url}/events/{batch_id}", timeout=20) as stream:
            told = [json.loads(line[6:]) for line in stream if line.startswith(b"data: ")]
        with urlopen(f"{url}/events/{'0' * 22}", timeout=20) as stream:
            assert stream.read() == b""
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(timeout=20)
    assert len(told) >= 3
    assert [told[0]["state"], told[-1]["state"], told[-1]["done"]] == ["running", "done", 500]
    assert served.returncode == 0
