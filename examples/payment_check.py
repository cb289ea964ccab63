"""The bank is asked each minute whether an order is paid, until it is, a day at most: a schedule for each order.

python examples/payment_check.py order-1 order-2
taskproc worker examples.payment_check:proc       # in another terminal, before or after
"""

import asyncio
import sys
from typing import ClassVar

from taskproc import Schedule, TaskContext, TaskProcessor, inject, task

A_DAY = 24 * 60

proc = TaskProcessor("embedded:///tmp/taskproc-payments")


class Bank:
    """The bank that the worker has a line to; this one has the money when it is asked for the third time."""

    asked: ClassVar[dict[str, int]] = {}

    async def has_money_for(self, order: str) -> bool:
        """Whether an order is paid."""
        self.asked[order] = self.asked.get(order, 0) + 1
        return self.asked[order] >= 3


@task(max_attempts=1)
async def check(order: str, bank: Bank = inject(), ctx: TaskContext = inject()) -> None:
    """Asks once. When the order is paid its schedule goes; what goes wrong is tried again in a minute anyway."""
    if await bank.has_money_for(order):
        print(f"{ctx.scheduled_for:%H:%M} {order}: paid", flush=True)
        await proc.cancel_schedule(order, ctx.tenant)
    else:
        print(f"{ctx.scheduled_for:%H:%M} {order}: not yet", flush=True)


async def watch(orders: list[str]) -> None:
    """Let orders be asked for. A second call for one changes nothing."""
    for order in orders:
        each_minute = Schedule(id=order, tenant="shop", cron="* * * * *", max_runs=A_DAY, unique=True, label="payment")
        await proc.upsert_schedule(each_minute, check, order)


async def main(orders: list[str]) -> None:
    """Let orders be asked for from now on."""
    async with proc:
        await watch(orders)
        for info in await proc.get_schedules("shop"):
            print(f"{info.id}: {info.words.lower()}, next {info.next_at}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
