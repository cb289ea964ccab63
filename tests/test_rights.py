"""A Redis user with the rights that docs/security.md names: enough for everything, and for nothing else."""

from __future__ import annotations

import re

import pytest
import redis

from taskproc import TaskProcessor
from taskproc.store.lua import load, names
from tests import handlers
from tests.building import noops
from tests.harness import FAST, Instance
from tests.servers import rights

PASSWORD = "of this test"


async def test_a_user_with_few_rights_does_everything_and_nothing_else(instance: Instance) -> None:
    user = instance.name
    instance.client.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rights(instance.name))
    try:
        url = instance.server.url.replace("//", f"//{user}:{PASSWORD.replace(' ', '%20')}@")
        async with instance.worker(redis=url) as proc:
            batch_id = await proc.enqueue_batch("default", "acme", noops(2_500))
            await proc.enqueue_task("default", "acme", handlers.swallow, "x" * 10_000)
            await proc.options(delay=0.1).enqueue_task("default", "acme", handlers.mark, 1)
            assert (await proc.wait_batch(batch_id, 20)).done == 2_500
            await instance.wait_records(1, "ran")
        with redis.Redis(port=instance.server.port, username=user, password=PASSWORD, protocol=2) as client:
            for command in (
                ("GET", "somebody's"), ("HGETALL", f"{{{instance.name}}}:m"), ("FLUSHALL",), ("CONFIG", "GET", "*"),
                ("KEYS", "*"),
                ("HGET", "{another}:m", "schema"), ("EVAL", "return redis.call('HGET', '{another}:m', 'schema')", 0),
                ("EVAL", "return redis.call('FLUSHALL')", 0), ("SCRIPT", "FLUSH"), ("PUBLISH", "{another}:control", "x"),
            ):  # fmt: skip
                with pytest.raises(
                    redis.exceptions.ResponseError, match=r"(?i)permission|NOPERM|not allowed|ACL|can't (access|run)"
                ):
                    client.execute_command(*command)
    finally:
        instance.client.execute_command("ACL", "DELUSER", user)


async def test_a_user_without_info_is_served_too(instance: Instance) -> None:
    user, few = instance.name, [rule for rule in rights(instance.name) if rule != "+info"]
    instance.client.execute_command("ACL", "SETUSER", user, "on", ">word", *few)
    try:
        url = instance.server.url.replace("//", f"//{user}:word@")
        async with TaskProcessor(url, prefix=instance.name, **FAST) as proc:  # type: ignore[misc]
            await proc.enqueue_batch("default", "acme", noops(3))
            assert await proc.run_until_idle() == 3
    finally:
        instance.client.execute_command("ACL", "DELUSER", user)


def test_the_rights_name_each_command_of_the_scripts() -> None:
    told = {rule[1:].partition("|")[0] for rule in rights("taskproc") if rule[0] == "+"}
    used = {
        found.lower() for name in names() for found in re.findall(r"redis\.p?call\('([A-Z]+)'", load(name).text.decode())
    }
    assert used > {"hincrby", "zadd"}
    assert used <= told
