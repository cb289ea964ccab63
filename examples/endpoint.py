"""No worker at all: whoever calls an endpoint, such as a timer of the platform, has what is due run and hears how much.

python examples/endpoint.py 8080
curl -X POST localhost:8080/orders/17        # enqueues a task
curl -X POST localhost:8080/run              # runs what is due
"""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter

from taskproc import TaskProcessor, task

proc = TaskProcessor("embedded:///tmp/taskproc-endpoint")


@task
async def confirm(order: str) -> None:
    """Pretends to confirm an order."""
    await asyncio.sleep(0.01)


async def answer(path: str) -> str:
    """What an endpoint does. Calls of /run at the same time take turns, and each task runs in one of them."""
    if path == "/run":
        return f"{await proc.run_until_idle()} tasks ran"
    return await proc.tenant("shop").enqueue(confirm, path.rpartition("/")[2])


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    """Answers one request; a client that is gone stops what it asked for, and its tasks are left to the next call."""
    head = await reader.readuntil(b"\r\n\r\n")
    answering, gone = asyncio.ensure_future(answer(head.split()[1].decode())), asyncio.ensure_future(reader.read())
    await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
    if answering.done():
        told = answering.result().encode() + b"\n"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(told) + told)
        await writer.drain()
    for one in (answering, gone):
        one.cancel()
    await asyncio.wait((answering, gone))
    writer.close()


async def main(port: int) -> None:
    """Serve until Ctrl-C."""
    async with proc, await asyncio.start_server(serve, "127.0.0.1", port) as server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
