"""How tenants share a queue, as the scripts do it, in memory: for simulations, and held against the scripts themselves."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import Any

SECOND = 1_000_000
TAU = 30 * SECOND
"""What a running task weighs, as ``lua/include/tau.lua`` has it."""


@dataclass
class Account:
    """A tenant's account in a queue; times in microseconds."""

    weight: float = 1
    ready: int = 0
    running: int = 0
    served: int = 0
    """The handler time it has had for its weight, and what it was raised by for idling."""


@dataclass
class Ring:
    """The tenants of a queue that have ready work, by their scores."""

    virtual: int = 0
    scores: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, tenant: str) -> Account:
        """A tenant's, new if need be."""
        return self.accounts.setdefault(tenant, Account())

    def push(self, tenant: str, n: int) -> None:
        """So many tasks become ready. A newcomer starts no earlier than the queue's virtual time."""
        a = self.account(tenant)
        a.ready += n
        if tenant not in self.scores:
            a.served = max(a.served, self.virtual)
            self.scores[tenant] = round(a.served + TAU / a.weight * a.running)

    def claim(self, n: int, at_once: int = 1) -> list[tuple[str, int]]:
        """Claim up to n tasks: how many of whom, in the scripts' order; so many at a turn."""
        if not self.scores:
            return []
        heads = heapq.nsmallest(n, self.scores, key=lambda tenant: (self.scores[tenant], tenant.encode()))
        first = heads[0]
        at = self.scores[first] - TAU / self.account(first).weight * self.account(first).running
        self.virtual = round(max(self.virtual, at))
        shares = dict.fromkeys(heads, 0)
        for head in heads if at_once > 1 else ():
            shares[head] = min(at_once, self.account(head).ready, n - sum(shares.values()))
        line = [
            (self.scores[head] + TAU / self.account(head).weight * shares[head], 0, place, head)
            for place, head in enumerate(heads) if shares[head] < self.account(head).ready
        ]  # fmt: skip
        heapq.heapify(line)
        for turn in range(n - sum(shares.values())):
            if not line:
                break
            score, _, _, head = line[0]
            shares[head] += 1
            if shares[head] < self.account(head).ready:
                heapq.heapreplace(line, (score + TAU / self.account(head).weight, 1, turn, head))
            else:
                heapq.heappop(line)
        for head, share in shares.items():
            a = self.account(head)
            a.ready, a.running = a.ready - share, a.running + share
            if not a.ready:
                del self.scores[head]
            else:
                self.scores[head] = math.floor(self.scores[head] + TAU / a.weight * share)
        return [(head, share) for head, share in shares.items() if share]

    def settle(self, tenant: str, n: int, us: int) -> None:
        """So many have ended, after so much time in all."""
        a = self.account(tenant)
        a.running -= n
        a.served += math.floor(us / a.weight)
        if tenant in self.scores:
            self.scores[tenant] += math.floor((us - TAU * n) / a.weight)

    def state(self) -> Any:
        """What can be compared with what is stored."""
        return self.virtual, self.scores
