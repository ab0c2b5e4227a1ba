"""Junction's two Python SDKs, as published: only their `base_url` changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
from counting import Wire
from customer import Customer
from missing import imported

pytestmark = pytest.mark.filterwarnings("ignore")
"""What they warn of is theirs to mend."""

NAMES = ["member-00417", "two words", "a/b", "a+b", "100%", "Zoë-Ωμέγα", "ünï/cödé +1"]


class Sdk:
    """One of the SDKs: its errors, and clients that share the customer's key."""

    def __init__(self, package: str, client: str, customer: Customer) -> None:
        self.module = imported(package)
        self.api_error = imported(f"{package}.core.api_error").ApiError
        self._client = client
        self._customer = customer
        self._open = ExitStack()
        self.close = self._open.close

    def users(self, *, key: str | None = None, wire: Wire | None = None) -> Any:
        """The SDK's `user` resource."""
        http = self._open.enter_context(httpx.Client(transport=wire or Wire(), timeout=30))
        make = getattr(self.module, self._client)
        return make(base_url=self._customer.url, api_key=key or self._customer.key, httpx_client=http).user


@pytest.fixture(params=[("junction", "Junction"), ("vital", "Vital")], ids=["junction-api-sdk", "vital"])
def sdk(request: pytest.FixtureRequest, customer: Customer) -> Iterator[Sdk]:
    sdk = Sdk(*request.param, customer)
    yield sdk
    sdk.close()


def test_a_user_from_create_to_sign_in_token(sdk: Sdk, customer: Customer) -> None:
    users = sdk.users()
    made = users.create(
        client_user_id="member-1",
        fallback_time_zone="Europe/Lisbon",
        fallback_birth_date="1990-04-12",
        ingestion_start="2026-01-01",
    )
    assert made.client_user_id == "member-1"
    assert made.team_id == str(customer.team_id)
    assert dict(made.fallback_time_zone)["id"] == "Europe/Lisbon"
    assert dict(made.fallback_birth_date)["value"] == "1990-04-12"
    read = users.get(made.user_id)
    assert (read.user_id, read.client_user_id) == (made.user_id, "member-1")
    users.patch(made.user_id, client_user_id="renamed", fallback_time_zone="Asia/Tokyo")
    renamed = users.get_by_client_user_id("renamed")
    assert (renamed.user_id, dict(renamed.fallback_time_zone)["id"]) == (made.user_id, "Asia/Tokyo")
    token = users.get_user_sign_in_token(made.user_id)
    assert token.user_id == made.user_id
    assert token.sign_in_token
    assert users.get_connected_providers(made.user_id) == {"providers": []}


def test_users_are_listed_newest_first(sdk: Sdk) -> None:
    users = sdk.users()
    made = [users.create(client_user_id=f"member-{number}").user_id for number in range(3)]
    page = users.get_all(offset=0, limit=2)
    assert [user.user_id for user in page.users] == made[:0:-1]
    assert (page.total, page.offset, page.limit) == (3, 0, 2)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_resolved(sdk: Sdk, name: str) -> None:
    users = sdk.users()
    made = users.create(client_user_id=name)
    assert users.get_by_client_user_id(name).user_id == made.user_id


def test_a_deleted_user_is_gone_until_undone(sdk: Sdk) -> None:
    users = sdk.users()
    user_id = users.create(client_user_id="member-1").user_id
    assert users.delete(user_id).success is True
    for call in (users.get, users.delete, users.get_user_sign_in_token):
        with pytest.raises(sdk.api_error) as refused:
            call(user_id)
        assert refused.value.status_code == 404
    assert users.undo_delete(user_id=user_id).success is True
    assert users.get(user_id).client_user_id == "member-1"


def test_a_conflict_names_the_user_to_go_on_with_and_is_not_tried_again(sdk: Sdk) -> None:
    wire = Wire()
    users = sdk.users(wire=wire)
    made = users.create(client_user_id="member-1")
    with pytest.raises(sdk.module.BadRequestError) as refused:
        users.create(client_user_id="member-1")
    assert refused.value.body["detail"]["user_id"] == made.user_id
    assert wire.calls == ["POST /v2/user"] * 2


def test_refusals_arrive_as_the_sdks_errors_after_one_call(sdk: Sdk) -> None:
    wire = Wire()
    users = sdk.users(wire=wire)
    with pytest.raises(sdk.api_error) as unknown_key:
        sdk.users(key="sk_us_" + "x" * 40, wire=wire).get_all()
    assert (unknown_key.value.status_code, unknown_key.value.body) == (401, {"detail": "invalid token"})
    with pytest.raises(sdk.api_error) as nobody:
        users.get(str(uuid4()))
    assert (nobody.value.status_code, nobody.value.body) == (404, {"detail": "Not found"})
    with pytest.raises(sdk.module.UnprocessableEntityError):
        users.get("no-id")
    with pytest.raises(sdk.module.UnprocessableEntityError):
        users.get_all(limit=501)
    assert len(wire.calls) == 4


@pytest.mark.parametrize("trouble", [429, 503])
def test_a_call_is_repeated_after_429_and_5xx_and_then_works(sdk: Sdk, trouble: int) -> None:
    wire = Wire(trouble)
    assert sdk.users(wire=wire).get_all().total == 0
    assert len(wire.calls) == 2
