"""A caller of the admin API."""

from __future__ import annotations

import pytest
from administrator import Admin

from harness import Server


@pytest.fixture
def admin(server: Server) -> Admin:
    """On each database."""
    return Admin(server)
