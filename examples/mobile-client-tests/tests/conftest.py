from collections.abc import Iterator

import pytest
from app.client import ElixirClient, JunctionClient

from gatepass.testing import World

ADA = "ada@example.com"


@pytest.fixture
def phone(gatepass: World) -> Iterator[ElixirClient]:
    """A phone with the app on it, signed in with a code."""
    client = ElixirClient(gatepass.url, gatepass.publishable_key)
    client.ask_for_code(ADA)
    mail = gatepass.inbox.wait(to=ADA)
    client.sign_in(mail.transaction_id, mail.code)
    yield client
    client.close()


@pytest.fixture
def companion(gatepass: World) -> Iterator[JunctionClient]:
    """A phone with the other app, signed in with a token of its backend."""
    client = JunctionClient(gatepass.url)
    client.sign_in(gatepass.mint_sign_in_token(ADA))
    yield client
    client.close()
