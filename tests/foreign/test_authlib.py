"""Authlib's client half, as a public client: exchange, refresh, revocation, introspection and discovery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from customer import Customer
from missing import imported

from backend import EXCHANGE

pytestmark = pytest.mark.filterwarnings("ignore:The httpx module is deprecated")


@pytest.fixture
def authlib() -> Any:
    return imported("authlib.integrations.httpx_client")


@pytest.fixture
def metadata(customer: Customer) -> Any:
    """What the server says of itself, read as RFC 8414 says."""
    rfc8414 = imported("authlib.oauth2.rfc8414")
    url = rfc8414.get_well_known_url(customer.url, external=True)
    return rfc8414.AuthorizationServerMetadata(httpx.get(url).raise_for_status().json())


@pytest.fixture
def app(authlib: Any, metadata: Any) -> Iterator[Any]:
    """A public client, which keeps its tokens fresh by itself."""
    with authlib.OAuth2Client(
        client_id="any-app", token_endpoint_auth_method="none", token_endpoint=metadata["token_endpoint"]
    ) as client:
        yield client


def sign_in(app: Any, customer: Customer, name: str = "member-1") -> str:
    """The user's id; the tokens are in the client."""
    user_id = customer.user(name)
    form = {**EXCHANGE, "subject_token": customer.sign_in_token(user_id)}
    token = app.fetch_token(app.metadata["token_endpoint"], **form)
    assert (token["user_id"], token["token_type"]) == (user_id, "Bearer")
    return user_id


def test_the_metadata_is_found_and_holds_together(metadata: Any, customer: Customer) -> None:
    assert metadata["issuer"] == customer.url
    for member in ("token_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"):
        assert metadata[member].startswith(customer.url)
    metadata.validate_grant_types_supported()
    metadata.validate_token_endpoint_auth_methods_supported()
    metadata.validate_revocation_endpoint_auth_methods_supported()
    metadata.validate_introspection_endpoint_auth_methods_supported()


def test_exchange_call_and_refresh(app: Any, metadata: Any, customer: Customer) -> None:
    user_id = sign_in(app, customer)
    first = dict(app.token)
    assert app.get(metadata["userinfo_endpoint"]).json()["sub"] == user_id
    app.refresh_token(metadata["token_endpoint"])
    assert app.token["refresh_token"] != first["refresh_token"]
    assert app.get(metadata["userinfo_endpoint"]).json()["sub"] == user_id


def test_a_token_that_ran_out_is_refreshed_on_the_way(app: Any, metadata: Any, customer: Customer) -> None:
    user_id = sign_in(app, customer)
    before = app.token["refresh_token"]
    app.token["expires_at"] = 1
    assert app.get(metadata["userinfo_endpoint"]).json()["sub"] == user_id
    assert app.token["refresh_token"] != before


def test_revocation_ends_the_session_and_invalid_grant_says_so(
    authlib: Any, app: Any, metadata: Any, customer: Customer
) -> None:
    sign_in(app, customer)
    with authlib.OAuth2Client(client_id="backend", client_secret=customer.key) as backend:

        def active(name: str) -> bool:
            answer = backend.introspect_token(metadata["introspection_endpoint"], token=app.token[name])
            return bool(answer.json()["active"])

        assert active("access_token")
        assert active("refresh_token")
        revoked = app.revoke_token(metadata["revocation_endpoint"], token_type_hint="refresh_token")
        assert revoked.status_code == 200
        assert not active("access_token")
        assert not active("refresh_token")
    with pytest.raises(authlib.OAuthError) as refused:
        app.refresh_token(metadata["token_endpoint"])
    assert (refused.value.error, refused.value.description) == ("invalid_grant", "The session was ended.")
