"""Reference clients: how to write a mobile client that is never signed out by a lost answer.

They import nothing of the server and need only httpx (and PyJWT for offline verification). What a client owes the
server's rotation is in `session.py`, and it is the same for both dialects (docs/clients.md tells why):

1. read the store before every attempt: another thread or process may have refreshed already;
2. one flight at a time;
3. store the new pair before using it, and only if the store still holds the token that was sent;
4. give up an attempt within 30 seconds and start over at 1;
5. keep the session on 5xx, 429 and lost answers; only the server's own words end it.
"""

from gatepass.client.elixir import AsyncElixirClient, ElixirClient
from gatepass.client.errors import (
    Banned,
    CannotMigrate,
    ClientError,
    NotSignedIn,
    Reauthenticate,
    Refused,
    SignedOut,
    TemporarilyUnavailable,
)
from gatepass.client.http_auth import AsyncBearerAuth, BearerAuth
from gatepass.client.junction import AsyncJunctionClient, JunctionClient
from gatepass.client.junction_session import Status
from gatepass.client.storage import FileStore, MemoryStore, Store
from gatepass.client.verifier import AsyncOfflineVerifier, OfflineVerifier, Rejected

__all__ = [
    "AsyncBearerAuth",
    "AsyncElixirClient",
    "AsyncJunctionClient",
    "AsyncOfflineVerifier",
    "Banned",
    "BearerAuth",
    "CannotMigrate",
    "ClientError",
    "ElixirClient",
    "FileStore",
    "JunctionClient",
    "MemoryStore",
    "NotSignedIn",
    "OfflineVerifier",
    "Reauthenticate",
    "Refused",
    "Rejected",
    "SignedOut",
    "Status",
    "Store",
    "TemporarilyUnavailable",
]
