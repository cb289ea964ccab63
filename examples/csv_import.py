"""A customer's file of any size becomes a batch: rows are staged while they are read, and visible all at once.

python examples/csv_import.py customers.csv
"""

import asyncio
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from taskproc import Bury, TaskProcessor, task

proc = TaskProcessor("embedded:///tmp/taskproc-import", queues=["imports"])


@dataclass
class Row:
    """One line of the file."""

    name: str
    amount: Decimal


@task(queue="imports", max_attempts=5)
async def store(row: Row) -> None:
    """Stores one row; a row that can't be right is not tried again."""
    if row.amount < 0:
        raise Bury(f"{row.name}: a negative amount")


def rows(path: Path) -> Iterator[tuple[Row]]:
    """The rows of a file, one at a time."""
    with path.open(newline="") as lines:
        for line in csv.DictReader(lines):
            yield (Row(line["name"], Decimal(line["amount"])),)


async def main(path: Path) -> None:
    """Import a file, then run its tasks here."""
    async with proc:
        async with proc.tenant("acme").batch("imports", label=path.name) as batch:
            await batch.enqueue_many(store, rows(path))
        await proc.run_until_idle()
        info = await proc.get_batch(batch.id)
        if info is not None:
            print(f"{info.state}: {info.done} stored, {info.failed} refused")
        for letter in await proc.get_dead_tasks(batch_id=batch.id):
            print(f"  {letter.errors[-1].message}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
