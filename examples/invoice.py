"""An invoice is sent at a date: the task waits in Redis until then, and exists once however often it is asked for.

python examples/invoice.py acme 2030-01-31T09:00+01:00
taskproc worker examples.invoice:proc       # in another terminal, before or after
"""

import asyncio
import sys
from datetime import UTC, datetime

from taskproc import TaskProcessor, task

proc = TaskProcessor("embedded:///tmp/taskproc-invoices")


@task(max_attempts=10, backoff=60)
async def invoice(customer: str, due: datetime) -> None:
    """Pretends to send an invoice. A worker starts it at its date, never before."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} invoice of {due:%B %Y} sent to {customer}", flush=True)


async def main(customer: str, due: datetime) -> None:
    """Enqueue an invoice; a second call for the month is the same one."""
    async with proc:
        monthly = proc.tenant(customer).options(delay_until=due, idempotency_key=f"invoice of {due:%Y-%m}")
        task_id = await monthly.enqueue(invoice, customer, due)
        info = await proc.get_task(task_id)
        if info is not None:
            print(f"{info.state}: {task_id}, at {info.scheduled_for}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
