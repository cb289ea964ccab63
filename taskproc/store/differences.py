"""What an audit's findings mean, in sentences: what is wrong, and what mends it or why nothing can.

A finding is a kind, two names, what is counted and what is there; the scripts' headers say which.
"""

from __future__ import annotations

from typing import Any

from taskproc.findings import AuditDifference

MENDED, HOPELESS = 1, 2


class Count(int):
    """A number in a sentence: ``{n}``; with its noun, ``{n:ready task}``; or only the word for so many, ``{n:is|are}``."""

    def __format__(self, spec: str) -> str:
        one, _, several = spec.partition("|")
        if several:
            return one if self == 1 else several
        noun = f" {one}{'' if self == 1 else 's'}" if one else ""
        return f"{int(self):,}{noun}"


KINDS = {
    "tombs": (
        "batch {a} counts {n:cancelled task} in its list of queue {b}, there {m:is|are} {m}",
        "{m} {m:is|are} counted",
    ),
    "remaining": ("batch {a} counts {n:task} as remaining, {m} {m:is|are} there", "{how}"),
    "unsettled": ("batch {a} has nothing left, but hasn't settled", "it settles, and its continuations are enqueued"),
    "asleep": ("batch {a} is {b}, but {m:task} of it {m:waits or runs|wait or run}", "it is running again"),
    "undropped": ("batch {a} is cancelled, but {m:task} of it {m:waits|wait}", "{m:it is|they are} dropped"),
    "zombies": ("batch {a} is kept until {n:cancelled task} {n:has|have} ended, {m} {m:runs|run}", "it waits for {m:task}"),
    "sum": ("batch {a} has {n:task} in all, but counts {m} as ended or left", "nobody can say which number is wrong"),
    "failed": ("batch {a} counts {n:failed task}, but keeps {m:dead letter}", "nobody can say how many others failed"),
    "unkept": ("batch {a} is {b}, but isn't listed for pruning", "it is listed, and kept for the retention from now on"),
    "kept": ("batch {a} is {b}, but listed for pruning", "it is taken off that list"),
    "unlisted": ("batch {a} isn't among the batches of tenant {b}", "it is listed again"),
    "unfired": ("batch {a} is {b}, but {m:continuation} of it {m:was|were} not enqueued", "{m:it is|they are} enqueued"),
    "muted": ("batch {a} has {m:continuation}, but would enqueue none", "it will enqueue {m:it|them} when it settles"),
    "unwritten": ("batch {a} had continuations, which are gone", "it settles without them"),
    "strayed": (
        "batch {a} of single tasks isn't known to tenant {b}: a cancel would miss them",
        "it knows of them again, if it has no other such batch",
    ),
    "emptied": ("batch {a} lists {b}, which holds nothing", "it is taken off the list"),
    "bodies": (
        "batch {a} keeps {n} {n:body|bodies} for {m:delayed and dead task} of {b}",
        "those that no task has are dropped",
    ),
    "bodiless": (
        "batch {a} has {n:delayed and dead task} of {b}, but {m} {m:body|bodies}",
        "a task without one dies as unreadable",
    ),
    "unstaged": (
        "batch {a} has staged tasks that pruning doesn't know of",
        "they are pruned unless they are committed soon",
    ),
    "nobodys": ("there are tasks in queue {b} of batch {a}, which has no record", "delete the batch's keys by hand"),
    "unnamed": ("batch {a} doesn't know of its tasks in queue {b}: a cancel would miss them", "it names them again"),
    "unlined": (
        "{m:ready task} of batch {a} in queue {b} {m:is|are} not in its line: nobody takes {m:it|them}",
        "{m:it is|they are} put in line",
    ),
    "undue": (
        "{m:delayed task} of batch {a} in queue {b} {m:is|are} not known to be due: nobody promotes {m:it|them}",
        "{m:it is|they are} listed",
    ),
    "unfound": ("{m:dead letter} of batch {a} in queue {b} {m:is|are} not listed", "{m:it is|they are} listed"),
    "unowned": ("{m:record} of batch {a}, which is gone ({b}), {m:is|are} left", "{m:it is|they are} dropped"),
    "unlinked": (
        "batch {a} doesn't know of {m:record} of its part {b}: pruning would miss {m:it|them}",
        "{m:it is|they are} listed",
    ),
    "unaged": (
        "batch {a} of single tasks has {m:record} that {m:is|are} not listed for pruning",
        "{m:it is|they are} listed",
    ),
    "astray": ("task {a} is leased to worker {b} but not noted as running", "{how}"),
    "unleased": ("task {a} of queue {b} is noted as running, but nobody has leased it", "the next rescue takes it back"),
    "ready": ("tenant {b} counts {n:ready task} in queue {a}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "running": ("tenant {b} counts {n:running task} of queue {a}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "delayed": ("tenant {b} counts {n:delayed task} in queue {a}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "dead": ("tenant {b} counts {n:dead letter} in queue {a}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "unenrolled": ("tenant {b} uses queue {a}, but isn't known to", "it is noted"),
    "unnoted": ("queue {a}, which tenant {b} uses, isn't among the queues", "it is noted"),
    "unringed": (
        "tenant {b} has {m:ready task} in queue {a}, but no place in line: nobody takes {m:it|them}",
        "it is put in line",
    ),
    "workless": ("tenant {b} is in line in queue {a}, but has nothing there", "it leaves the line"),
    "leftover": ("tenant {b} has a line of batches in queue {a}, but nothing ready", "the line is dropped"),
    "misled": ("queue {a} is fair, but has a strict line of {m:ticket}", "the line is dropped; its tasks are in the other"),
    "queue_tenants": ("queue {a} counts {n:tenant}, {m} {m:uses|use} it", "{m} {m:is|are} counted"),
    "queue_ready": ("queue {a} counts {n:ready task}, its tenants have {m}", "{m} {m:is|are} counted"),
    "queue_running": ("queue {a} counts {n:running task}, its tenants have {m}", "{m} {m:is|are} counted"),
    "queue_delayed": ("queue {a} counts {n:delayed task}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "queue_dead": ("queue {a} counts {n:dead letter}, there {m:is|are} {m}", "{m} {m:is|are} counted"),
    "tenant_remaining": ("tenant {a} counts {n:task} as remaining, its batches {m}", "{m} {m:is|are} counted"),
    "tenant_batches": ("tenant {a} counts {n} {n:batch|batches}, {m} {m:is|are} kept", "{m} {m:is|are} counted"),
    "tenant_sum": ("tenant {a} has {n:task} in all, but counts {m} as ended or left", "nobody can say which is wrong"),
    "homeless": (
        "tenant {a} has lost the record of its single tasks, {b}",
        "it gets a new one, and they are counted",
    ),
    "tenant_unlisted": ("tenant {a} isn't among the tenants", "it is listed again"),
    "unidle": ("tenant {a} has nothing to run, but isn't listed for pruning", "it is listed, from now on"),
    "slot": ("limit {a} counts task {b} as running, which doesn't run", "its slot is free again"),
    "gone": ("limit {a} has a list of queue {b} waiting that isn't there", "it is forgotten"),
    "unheld": ("{m} lists of queue {b} that wait for limit {a} are not known to", "they are noted"),
    "forgotten": ("{m} lists of queue {b} wait for limit {a}, and nobody would let them go on", "the first goes on"),
    "outside": ("tenant {a} stands out of the line of queue {b}, but its rules leave it room", "it is in line again"),
    "unwoken": ("tenant {a} stands out of the line of queue {b}, and nobody would let it return", "somebody will"),
    "set_aside": (
        "tenant {a} has tickets of queue {b} set aside, and nobody knows of them",
        "they go on as its rules allow",
    ),
    "stale": ("the index {a} has an entry for {b}, which isn't there", "the entry is dropped"),
    "garbled": ("the unique lock {a} can't be read", "it is dropped"),
    "unlocked": ("the unique lock {a} is held by task {b}, which isn't there", "it is dropped"),
    "timeless": ("the unique lock {a} of task {b} is to end at a time that nobody watches", "it is watched"),
    "undrained": ("the segment {b} is gone, but nobody takes away the unique locks that it had", "they are taken away soon"),
    "unmarked": ("batch {a} doesn't know of the unique locks of {b}: a cancel would miss them", "it knows of them again"),
    "unscheduled": ("schedule {a} of tenant {b} is in no index: it would never fire", "it fires at its next occurrence"),
    "belated": (
        "schedule {a} of tenant {b} would be looked at long after its next occurrence",
        "it is looked at in time",
    ),
    "misplaced": ("schedule {a} of tenant {b} stands in the index of schedules of another kind", "it leaves that"),
    "resting": ("schedule {a} of tenant {b} is paused or over, but in the index of those that fire", "it leaves that"),
    "unover": (
        "schedule {a} of tenant {b} is over, but isn't listed for pruning",
        "it is listed, and kept for the retention from now on",
    ),
    "over": ("schedule {a} of tenant {b} isn't over, but listed for pruning", "it is taken off that list"),
    "unnamed_schedule": ("schedule {a} isn't among the schedules of tenant {b}", "it is listed again"),
    "unmade": ("schedule {a} of tenant {b} lacks what its tasks are made of", "upsert it again"),
    "unread": ("the record of schedule {a} can't be read", "delete its key by hand, and upsert the schedule again"),
    "staged": ("staged tasks of {b} are left over: they were never committed", "they are dropped"),
}
"""What each kind of finding says, and what mends it."""

REMAINING = {
    "counter": "the counter is corrected",
    "lost": "{gone} gone without a trace, counted as failed",
    "more": "{gone} never counted before, added to the total",
    "": "the counter is corrected; tasks that are gone for good count as failed",
}

UNSURE = {
    "batch": "batch {b}: too many tasks run to count those of one batch",
    "line": "queue {b}: its line is too long to be looked through",
    "running": "queue {b}: its running tasks are too many or change too fast to be counted",
    "lock": "task {b}: tasks come and go too fast to see that it is nowhere, though it has a unique lock",
    "slots": "limit {b}: too many tasks run to look for each",
    "leases": "there are too many leases to look for one that is missing",
    "broken": "{b}: its keys in Redis can't be used",
    "moved": "{b}: it changes too fast to be added up",
    "queue_tenants": "queue {b}: too many tenants to be added up",
    "queue_delayed": "queue {b}: too many delayed lists to be added up",
    "queue_dead": "queue {b}: too many batches with dead letters to be added up",
}


def difference(finding: list[Any]) -> AuditDifference:
    """A finding of a script as a record."""
    kind, a, b = (_text(part) for part in finding[:3])
    counted, there, mark = int(finding[3]), int(finding[4]), finding[5]
    found, cure = KINDS[kind]
    how = ""
    if kind == "remaining":
        how = REMAINING[b].format(gone=abs(there - counted))
    elif kind == "astray":
        soon = f"its worker may still settle it; the lease ends in {there / 1000:,.1f} s"
        how = soon if mark == HOPELESS else "the lease is dropped"
    names = {"a": a, "b": b, "n": Count(counted), "m": Count(there), "how": how}
    return AuditDifference(kind, a, found.format(**names), cure.format(**names), mark != HOPELESS, mark == MENDED)


def unsure(finding: list[Any]) -> str:
    """What could not be looked at, as a sentence."""
    return UNSURE[_text(finding[1])].format(b=_text(finding[2]))


def _text(part: Any) -> str:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)
