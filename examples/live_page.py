"""A page that shows a batch while it runs: server-sent events from ``watch``, with nothing but the standard library.

python examples/live_page.py                   # then open http://127.0.0.1:8000
python examples/live_page.py 8080              # on another port

In a framework it is the same: an async generator of lines, such as Starlette's
``StreamingResponse(lines(batch_id), media_type="text/event-stream")``.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict

from taskproc import NotFound, TaskProcessor, task

proc = TaskProcessor("embedded:///tmp/taskproc-live-page", max_workers=20)

PAGE = """<!doctype html><title>A batch</title><h1>A batch of 500</h1>
<progress id=bar max=500 value=0></progress> <span id=text></span>
<script>
fetch("/start", {method: "POST"}).then(answer => answer.text()).then(id => {
  const events = new EventSource("/events/" + id);
  events.onmessage = message => {
    const batch = JSON.parse(message.data);
    document.getElementById("bar").value = batch.total - batch.remaining;
    document.getElementById("text").textContent = `${batch.state}: ${batch.done} done, ${batch.failed} failed`;
    if (batch.state !== "running") events.close();
  };
});
</script>"""


@task
async def work(number: int) -> None:
    """Takes a while."""
    await asyncio.sleep(0.1)


async def start(tenant: str) -> str:
    """Enqueue a batch for a tenant; its id."""
    return await proc.tenant(tenant).enqueue_batch(lambda batch: [batch.enqueue(work, n) for n in range(500)])


async def lines(tenant: str, batch_id: str) -> AsyncIterator[bytes]:
    """A batch of a tenant's as server-sent events, to its end. Another tenant's is not found."""
    async for event in proc.tenant(tenant).watch(batch_id):
        yield f"data: {json.dumps(asdict(event))}\n\n".encode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request. In a real program the session says whose it is."""
    try:
        method, path, _ = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1").split(" ")
        head, events = "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: text/", path[:8]
        if (method, events) == ("GET", "/events/"):
            writer.write(f"{head}event-stream\r\n\r\n".encode())
            async for line in lines("acme", path[8:]):
                writer.write(line)
                await writer.drain()
        elif (method, path) == ("POST", "/start"):
            writer.write(f"{head}plain\r\n\r\n{await start('acme')}".encode())
        else:
            writer.write(f"{head}html\r\n\r\n{PAGE}".encode())
        await writer.drain()
    except (NotFound, OSError, ValueError, asyncio.IncompleteReadError):
        pass  # nobody's batch, or the browser has gone
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve the page, and run its tasks in the same process."""
    async with proc, await asyncio.start_server(answer, "127.0.0.1", port) as server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await proc.run()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
