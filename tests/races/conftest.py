"""Two server processes on one database of each kind, under the limits of production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pair import Pair, pair_on
from processes import Process, running

LIMITS = {
    "limit_login_per_client": "300/hour",
    "limit_wrong_codes_per_client": "100/hour",
    "limit_codes_per_address": "10/hour,20/day",
    "limit_wrong_codes_per_address": "25/day",
    "limit_invalid_refresh_per_client": "100/hour",
    "limit_token_endpoint_per_client": "3000/hour",
    "trusted_proxies": "127.0.0.1",
}


@pytest.fixture(scope="session", params=["sqlite_url_of_processes", "postgres_url_of_processes"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Process]]]:
    url: str = request.getfixturevalue(request.param)
    with running(2, url, tmp_path_factory.mktemp("servers"), **LIMITS) as processes:
        yield url, processes


@pytest.fixture
async def pair(servers: tuple[str, list[Process]]) -> AsyncIterator[Pair]:
    async with pair_on(*servers) as pair:
        yield pair
