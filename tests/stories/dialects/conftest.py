"""Every story of this folder is told in every dialect, on each database."""

from __future__ import annotations

import pytest
from dialects import ALL, Dialect

from harness import Server


@pytest.fixture(params=ALL, ids=lambda dialect: dialect.__name__.lower())
def dialect(request: pytest.FixtureRequest, server: Server) -> Dialect:
    speaks: type[Dialect] = request.param
    return speaks(server)
