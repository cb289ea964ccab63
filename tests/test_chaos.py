"""Every ordeal in its short form; ``make chaos`` runs the long one."""

from __future__ import annotations

import pytest

from tests.chaos.field import Trial
from tests.chaos.ordeals import ORDEALS
from tests.servers import Server

SEED = 11


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ORDEALS)
async def test_what_was_acknowledged_comes_out_exactly(server: Server, anyio_backend: str, name: str) -> None:
    result = await ORDEALS[name](server, Trial(SEED, long=False))
    assert result.fine, result
    assert result.faults
