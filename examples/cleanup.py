"""Files that nobody needs go each night at three: a schedule in code, which runs once however many workers there are.

taskproc worker examples.cleanup:proc       # makes the schedule when it starts, and runs it each night
python examples/cleanup.py                  # runs it now, and tells what is known of it
"""

import asyncio
import os
import time
from pathlib import Path

from taskproc import TaskProcessor, schedule, task

FOLDER = Path(os.environ.get("CLEANUP_FOLDER", "/tmp/taskproc-cleanup-files"))

proc = TaskProcessor("embedded:///tmp/taskproc-cleanup")


@schedule("0 3 * * *", tenant="system", id="cleanup", timezone="Europe/Berlin", args=[30])
@task
def clean(days: int) -> None:
    """Removes files that are older than so many days, in a thread since disks are slow."""
    oldest = time.time() - days * 86_400
    found = [path for path in FOLDER.glob("*") if path.stat().st_mtime < oldest]
    for path in found:
        path.unlink()
    print(f"{len(found)} files removed", flush=True)


async def main() -> None:
    """Run it beside its nights."""
    async with proc:
        await proc.run_until_idle()  # a worker, for a moment: the schedule is there
        await proc.trigger_schedule("cleanup", "system")
        await proc.run_until_idle()
        info = await proc.get_schedule("cleanup", "system")
        if info is not None and info.next_at is not None:
            print(f"{info.words}, next {info.next_at:%H:%M} UTC; last time {info.history[0].state}")


if __name__ == "__main__":
    asyncio.run(main())
