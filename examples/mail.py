"""Mails go out two at a time, however many workers there are, and each is tried three times.

python examples/mail.py someone@example.com another@example.com wrong
"""

import asyncio
import sys

from taskproc import Batch, TaskContext, TaskProcessor, current_task, inject, task


class Mailer:
    """The mail server that the worker has a connection to; this one only counts, and answers slowly at first."""

    sending = most = 0

    async def send(self, to: str, attempt: int) -> None:
        """Send one mail."""
        Mailer.sending += 1
        Mailer.most = max(Mailer.most, Mailer.sending)
        try:
            await asyncio.sleep(0.05)
            if "@" not in to or attempt == 1:
                raise ConnectionError(f"{to}: the server is busy")
        finally:
            Mailer.sending -= 1


@task(max_concurrency=2, max_attempts=3, backoff=0.1)
async def send(to: str, mailer: Mailer = inject(), ctx: TaskContext = inject()) -> None:
    """Sends a mail; what it raises is tried again."""
    await mailer.send(to, ctx.attempt)
    print(f"{to}: sent at attempt {current_task().attempt}")


proc = TaskProcessor("embedded:///tmp/taskproc-mail", max_workers=8)


async def main(addresses: list[str]) -> None:
    """Enqueue a mail for each address, then send them here."""

    def build(batch: Batch) -> None:
        for address in addresses:
            batch.enqueue(send, address)

    async with proc:
        batch_id = await proc.enqueue_batch("default", "acme", build, label="mail")
        async with asyncio.TaskGroup() as group:
            group.create_task(proc.run())
            info = await proc.wait_batch(batch_id, 60)
            await proc.stop()
        print(f"{info.done} sent, {info.failed} given up, {Mailer.most} at once")
        for letter in await proc.get_dead_tasks(batch_id=batch_id):
            print(f"  {letter.errors[-1].message}, {len(letter.errors)} times")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
