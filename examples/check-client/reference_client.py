"""The driver of the reference clients: the protocol of docs/check-client.md over `gatepass.client`."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from gatepass.client import (
    Banned,
    ClientError,
    ElixirClient,
    FileStore,
    JunctionClient,
    Reauthenticate,
    SignedOut,
    Status,
    TemporarilyUnavailable,
)

URL, STORE = os.environ["GATEPASS_URL"], FileStore(os.environ["GATEPASS_STORE"] + "/session.json")
ERRORS = {Banned: "banned", SignedOut: "signed_out", Reauthenticate: "reauthenticate"}
ERRORS |= {TemporarilyUnavailable: "unavailable", ClientError: "refused"}


class Elixir:
    def __init__(self):
        self.client = ElixirClient(URL, key=os.environ["GATEPASS_PUBLISHABLE_KEY"], store=STORE)

    def ask_for_code(self, email):
        self.transaction = self.client.ask_for_code(email)

    def sign_in(self, code):
        self.client.verify_code(self.transaction, code)

    def call(self):
        self.client.userinfo()

    def status(self):
        return {"status": "signed_in" if self.client.is_signed_in else "signed_out"}


class Junction:
    def __init__(self):
        self.client = JunctionClient(URL, store=STORE)

    def sign_in(self, sign_in_token, user_id):
        self.client.sign_in(sign_in_token)

    def call(self):
        self.client.get(f"/v2/user/{self.client.user_id}").raise_for_status()

    def status(self):
        if Status.PENDING_REAUTHENTICATION in self.client.status:
            return {"status": "reauthenticate"}
        return {"status": "signed_in" if Status.SIGNED_IN in self.client.status else "signed_out"}


def obey(driver, do, **given):
    try:
        if do == "calls":
            with ThreadPoolExecutor(given["count"]) as pool:
                list(pool.map(lambda _: driver.call(), range(given["count"])))
            return {"ok": True}
        return {"ok": True, **(getattr(driver, do)(**given) or {})}
    except ClientError as error:
        return {"ok": False, "error": next(word for kind, word in ERRORS.items() if isinstance(error, kind))}


driver = Junction() if os.environ["GATEPASS_DIALECT"] == "junction" else Elixir()
for line in sys.stdin:
    sys.stdout.write(json.dumps(obey(driver, **json.loads(line))) + "\n")
    sys.stdout.flush()
