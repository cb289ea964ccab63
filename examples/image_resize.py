"""Pictures are made small in threads: work that blocks holds up nothing else, and gives up when it is cancelled.

python examples/image_resize.py photo.ppm another.ppm     # writes photo.small.ppm beside it
"""

import asyncio
import sys
import threading
from pathlib import Path

from taskproc import Batch, Bury, TaskProcessor, current_task, task

proc = TaskProcessor("embedded:///tmp/taskproc-images", queues=["images"], max_workers=4)


@task(queue="images", max_attempts=3, timeout=60)
def resize(path: str, width: int) -> None:
    """Makes one picture of the PPM format small. A plain function runs in a thread."""
    source = Path(path)
    kind, size, depth, pixels = source.read_bytes().split(b"\n", 3)
    if kind != b"P6" or depth != b"255":
        raise Bury(f"{source.name}: not a picture of the PPM format")
    columns, rows = (int(number) for number in size.split())
    height, lines = max(1, rows * width // columns), []
    for row in range(height):
        current_task().raise_if_cancelled()
        line = memoryview(pixels)[row * rows // height * columns * 3 :]
        lines.append(b"".join(line[column * columns // width * 3 :][:3] for column in range(width)))
    small = source.with_suffix(".small.ppm")
    small.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + b"".join(lines))
    where = "the main thread" if threading.current_thread() is threading.main_thread() else "a thread of its own"
    sys.stdout.write(f"{small.name}: {width}x{height}, made in {where}\n")  # threads that print mix their lines


async def main(paths: list[str]) -> None:
    """Enqueue a task for each picture, then run them here."""

    def build(batch: Batch) -> None:
        for path in paths:
            batch.enqueue(resize, path, 64)

    async with proc:
        batch_id = await proc.enqueue_batch("images", "acme", build, label="resize")
        await proc.run_until_idle()
        info = await proc.get_batch(batch_id)
        if info is not None:
            print(f"{info.done} made small, {info.failed} refused")
        for letter in await proc.get_dead_tasks(batch_id=batch_id):
            print(f"  {letter.errors[-1].message}")


if __name__ == "__main__":
    asyncio.run(main([str(Path(path).absolute()) for path in sys.argv[1:]]))
