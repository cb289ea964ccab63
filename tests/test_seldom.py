"""What a script needs only seldom is made when it is first called, and once."""

from __future__ import annotations

from taskproc.store.lua import load
from tests.servers import Server

OUTER = """-- One that is seldom called.
-- Seldom called.
local function limits(n)
  return claim_limited(n) + now() + 1
end
"""


def test_what_only_a_seldom_called_include_needs_stands_within_it() -> None:
    text = load("step").text.decode()
    within = text[text.index("local function limits(...)") : text.index("return limits_(...)")]
    for name in ("claim_limited", "claim_mixed", "limit_next", "limit_take"):
        assert f"local function {name}(" in within
    for name in ("claim_from", "key"):
        assert f"local function {name}(" not in within
        assert text.count(f"local function {name}(") == 1


def test_it_is_made_once_and_called_with_what_it_is_given(alone: Server) -> None:
    counted = "local function claim_limited(n)\n  redis.call('INCR', 'made')\n  return n\nend"
    script = load("step", {"limits": OUTER, "claim_limited": counted, "now": "local function now()\n  return 5\nend"})
    text = script.text.decode().partition("local slot = KEYS[1]")[0].rpartition("-- Settles what")[0]
    client = alone.client()
    try:
        assert client.eval(text + "\nreturn {limits(1), limits(2), limits_ and 1 or 0}", 0) == [7, 8, 1]
        assert client.get("made") == b"2"
    finally:
        client.delete("made")
        client.close()
