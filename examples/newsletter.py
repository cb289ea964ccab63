"""The program of the README: a batch with a continuation, watched until it is done.

python examples/newsletter.py
taskproc worker examples.newsletter:proc       # in another terminal, before or after
"""

import asyncio

from taskproc import Batch, TaskProcessor, current_task, task

proc = TaskProcessor("embedded:///tmp/taskproc-newsletter", max_workers=20)


@task
async def send(to: str, subject: str = "hi") -> None:
    """Pretends to send a mail."""
    await asyncio.sleep(0.01)


@task
async def report() -> None:
    """Runs when all mails are sent."""
    info = await current_task().batch()
    if info is not None:
        print(f"{info.label}: {info.done} of {info.total} sent")


async def main() -> None:
    """Enqueue a batch and wait for it."""
    async with proc:

        def build(batch: Batch) -> None:
            for n in range(1_000):
                batch.enqueue(send, f"user{n}@example.com", subject="news")
            batch.continue_with(report)

        batch_id = await proc.enqueue_batch("default", "acme", build, label="newsletter")
        print(f"enqueued {batch_id}; run `taskproc worker examples.newsletter:proc`")
        info = await proc.wait_batch(batch_id, timeout=600)
        print(f"{info.state}: {info.done} done, {info.failed} failed, {info.run_seconds:.1f} s of handler time")


if __name__ == "__main__":
    asyncio.run(main())
