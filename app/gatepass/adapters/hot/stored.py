"""Values as SQLAlchemy has SQLite keep them, for statements that go to the driver itself."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID


def stored(value: Any) -> Any:
    """Ids as text without hyphens, lists and objects as JSON, anything else as it is."""
    if isinstance(value, UUID):
        return value.hex
    return json.dumps(value) if isinstance(value, dict | list) else value
