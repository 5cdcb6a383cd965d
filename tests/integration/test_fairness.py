"""A flood of forged callbacks for one account is refused at the door, and genuine ones wait behind few of them.

Waiting is counted in records, which no machine's speed changes.
"""

import asyncio
import time
from pathlib import Path

import pytest

from bench.fairness import FLOODED, HONEST, flood, open_accounts, post_honestly, waits_on_the_topics
from bootstrap.settings import Settings
from devstack.application import running_processes, variables_of

pytestmark = pytest.mark.integration

RATE_PER_SECOND, BURST, PEER_SHARE = 10, 80, 0.5
HONEST_POSTS = 30
FLOODING_CLIENTS = 24
ANOTHER_PEER = "127.0.0.2"


async def test_a_flood_for_one_account_neither_delays_another_nor_shuts_its_own_gateway_out(
    topics_created: Settings, tmp_path: Path
) -> None:
    await open_accounts(topics_created)
    variables = variables_of(topics_created) | {
        "PAYSTREAM_INGRESS__RATE_LIMIT_PER_SECOND": str(RATE_PER_SECOND),
        "PAYSTREAM_INGRESS__RATE_LIMIT_BURST": str(BURST),
        "PAYSTREAM_INGRESS__RATE_LIMIT_PEER_SHARE": str(PEER_SHARE),
    }
    with running_processes(tmp_path, variables) as application:
        url, ended, started = application.ingress_url, asyncio.Event(), time.monotonic()
        flooding = asyncio.create_task(flood(url, ended, FLOODING_CLIENTS))
        others = await post_honestly(url, HONEST, HONEST_POSTS)
        # The flooded account's own gateway, which connects from elsewhere than whoever floods it.
        own = await post_honestly(url, FLOODED, HONEST_POSTS // 2, ANOTHER_PEER)
        ended.set()
        forged = await flooding
        flooded_seconds = time.monotonic() - started
        waits = await waits_on_the_topics(topics_created.kafka, others[200] + own[200], forged[200])

    assert others == {200: HONEST_POSTS}
    assert own == {200: HONEST_POSTS // 2}
    assert set(forged) == {200, 429}
    may_pass = (BURST + RATE_PER_SECOND * flooded_seconds) * PEER_SHARE
    assert forged[200] <= may_pass + 1
    assert forged[429] > forged[200]
    # Nobody waits behind more than a peer can have on its way at once.
    assert max(wait.behind for wait in waits) <= may_pass + 1
