"""While the hash slot of an instance moves to another node, no script runs: either node has half of its keys only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from taskproc.keys import SCHEMA, prefix_of
from taskproc.store.scripts import SCRIPTS, to_json
from tests.cluster import cluster, text
from tests.direct import PRODUCER, W1, body, plain
from tests.servers import CHOSEN

CALL = to_json([PRODUCER, 1, 1])
BATCH, OTHER = "b" * 22, "c" * 22
LISTS, BODIES = plain(1, ["q"])
NONE = to_json([])

CALLS: dict[str, tuple[Any, ...]] = {
    "audit_accounts": (CALL, 1, to_json([["q", "acme", 0, 0, "", 0]])),
    "audit_batches": (CALL, 1, to_json([[BATCH, 0, ""]])),
    "audit_entries": (CALL, f"{BATCH}{0:010}"),
    "audit_holders": (CALL, to_json([["digest", f"{BATCH}{0:010}", "", ""]])),
    "audit_index": (CALL, "settled", "", 0, 0),
    "audit_leases": (CALL, 0),
    "audit_limits": (CALL, "0123456789"),
    "audit_lists": (CALL, to_json([[BATCH, "r", "q"]])),
    "audit_locks": (CALL, 0),
    "audit_out": (CALL, to_json([["q", "acme"]])),
    "audit_queue": (CALL, "q", 0, "acme"),
    "audit_ready": (to_json([[BATCH, "q"]]),),
    "audit_run": (0,),
    "audit_schedules": (CALL, "s" * 22),
    "audit_tenant": (CALL, "acme", 0, 0, ""),
    "batch_append": (CALL, BATCH, "acme", "", LISTS, *BODIES),
    "batch_cancel": (CALL, BATCH, ""),
    "batch_commit": (CALL, BATCH, "acme", "", "", "", NONE),
    "batch_create": (CALL, BATCH, "acme", "", "", "", LISTS, 0, *BODIES),
    "batch_explain": (BATCH,),
    "batch_get": (0, BATCH),
    "batch_list": ("acme", 0, 10, ""),
    "batch_prune": (0, 100),
    "batch_running": (BATCH, 0),
    "batch_stage": (BATCH, 0, 0, LISTS, *BODIES),
    "dead_batches": ("q", 0, 10),
    "dead_discard": (CALL, to_json([[BATCH, "q", "0" * 10]])),
    "dead_retry": (CALL, to_json([[BATCH, "q", "0" * 10]]), 0),
    "dead_tasks": (BATCH, "q", 0, 10),
    "instance_open": (SCHEMA,),
    "instance_pause": (CALL, 1),
    "journal_add": (CALL, "{}", 1),
    "journal_list": (0, 10),
    "lease_renew": (W1, "{}", 1_000),
    "purge_batches": (CALL, "acme", 0),
    "purge_begin": (CALL, "acme", ""),
    "purge_end": (CALL, "acme", "", 0),
    "purge_loose": (CALL, "acme", "uniq", "digest"),
    "purge_owners": ("b", BATCH),
    "purge_schedules": (CALL, "acme"),
    "purge_tenant": (CALL, "acme"),
    "purge_tickets": (CALL, "acme", "q", 0),
    "queue_limit": ("q", 5),
    "limit_list": (),
    "limit_set": (CALL, "0123456789", "", "{}"),
    "limit_wake": ("0123456789", 0),
    "queue_list": (),
    "queue_mode": ("q", "fifo"),
    "queue_read": ("q",),
    "queue_tasks": ("q", 0, 10),
    "records_read": ("acme", BATCH, 0),
    "schedule_cancel": (CALL, BATCH),
    "schedule_due": (0, 10),
    "rules_read": ("acme",),
    "rules_set": (CALL, "tenant", "acme", "{}", ""),
    "schedule_limit": ("all", 5),
    "schedule_list": ("acme", 0, 10, ""),
    "schedule_move": (0, NONE, NONE),
    "schedule_pause": (CALL, BATCH, 1, 0, ""),
    "schedule_prune": (0, 10),
    "schedule_put": (CALL, BATCH, "acme", "id", "rule", "0", "0", "", to_json(["queue", "q"]), body(0)[10:]),
    "schedule_trigger": (CALL, BATCH, "seed", f"{0:010}", 0),
    "segment_commit": (CALL, BATCH, "acme", f"{BATCH}+1", "", NONE),
    "stage_drop": (BATCH,),
    "staging_prune": (0, 10),
    "stats_prune": (0, 0, 0, 100),
    "stats_put": ("", 0, 0, 1, "m", 60, "q\0acme", "[]"),
    "stats_queues": (0, 10),
    "stats_quiet": (1,),
    "stats_read": (0, 10),
    "stats_sums": ("m", 60, 61, 1, "q\0acme"),
    "step": (SCHEMA, W1, 1, 1_000, 1, to_json(["q"]), NONE),
    "task_cancel": (CALL, f"{BATCH}{0:010}", "", ""),
    "task_enqueue": (CALL, "acme", "seed", "", 0, LISTS, f"{0:010}", body(0)),
    "task_progress": (f"{BATCH}{0:010}{W1}1", b"[1]"),
    "task_result": (f"{BATCH}{0:010}{W1}1", b"1"),
    "task_read": (f"{BATCH}{0:010}", "", 0),
    "tasks_cancel": (CALL, "acme", BATCH, "r", "q", 0, 1, ""),
    "tasks_move": (CALL, "acme", BATCH, "r", "q", "other", NONE, 0, ""),
    "tasks_read": ("acme", BATCH, "r", "q", 0, 1, 0),
    "tenant_cancel": (CALL, "acme", "", "", 1, ""),
    "tenant_lists": ("acme", "", "", ""),
    "tenant_runs": ("acme", 0),
    "tenant_stop": (CALL, "acme", "", 0, 0, ""),
    "tenant_list": (0, 10),
    "tenant_prune": (0, 10),
    "tenant_queues": ("acme", 0),
    "tenant_read": ("acme",),
    "tenant_wake": ("acme", 0),
    "tenants_wake": ("out", 0),
    "unique_prune": (10,),
    "unique_read": ("digest",),
    "upkeep_promote": (10,),
    "upkeep_rescue": (10,),
    "worker_leave": (W1,),
    "worker_list": (),
}


@pytest.fixture(scope="module")
def importing() -> Iterator[redis.Redis]:
    """A node to which the slot of the instance ``moving`` is on its way."""
    with cluster(CHOSEN, 2, 0) as nodes, nodes[0].client() as one, nodes[1].client() as other:
        slot = one.execute_command("CLUSTER", "KEYSLOT", prefix_of("moving"))
        keeps, gets = (one, other) if slot < 8192 else (other, one)
        ids = {client: text(client.execute_command("CLUSTER", "MYID")) for client in (one, other)}
        gets.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[keeps])
        keeps.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[gets])
        yield gets


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_runs_while_its_slot_moves(importing: redis.Redis, name: str) -> None:
    prefix = prefix_of("moving")
    connection = importing.connection_pool.get_connection()
    try:
        connection.send_command("ASKING")  # as a client does that the other node sends here
        connection.read_response()
        connection.send_command("EVAL", SCRIPTS[name].text, 1, prefix + "~", prefix, *CALLS[name])
        with pytest.raises(redis.exceptions.ResponseError, match=r"non local key|TRYAGAIN"):
            connection.read_response()
    finally:
        importing.connection_pool.release(connection)
    assert importing.dbsize() == 0
