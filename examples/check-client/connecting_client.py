"""A client that connects by itself, as the test hook of an app does: it fetches its steps over HTTP.

python connecting_client.py http://127.0.0.1:8010 session.json
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

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

WHERE, STORE = sys.argv[1], Path(sys.argv[2])
RUN = os.urandom(8).hex()  # another one at each start: so a restart is seen to have happened
ERRORS = {Banned: "banned", SignedOut: "signed_out", Reauthenticate: "reauthenticate"}
ERRORS |= {TemporarilyUnavailable: "unavailable", ClientError: "refused"}


class App:
    """The app, pointed at the server that the first step names. Its session is in STORE and nowhere else."""

    def __init__(self, url, dialect, publishable_key):
        self.is_elixir = dialect == "elixir"
        store = FileStore(str(STORE))
        self.client = (
            ElixirClient(url, key=publishable_key, store=store) if self.is_elixir else JunctionClient(url, store=store)
        )

    def ask_for_code(self, email):
        self.transaction = self.client.ask_for_code(email)

    def sign_in(self, code="", sign_in_token="", user_id=""):
        self.client.verify_code(self.transaction, code) if self.is_elixir else self.client.sign_in(sign_in_token)

    def call(self):
        self.client.userinfo() if self.is_elixir else self.client.get(
            f"/v2/user/{self.client.user_id}"
        ).raise_for_status()

    def calls(self, count):
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda _: self.call(), range(count)))

    def status(self):
        if self.is_elixir:
            return {"status": "signed_in" if self.client.is_signed_in else "signed_out"}
        if Status.PENDING_REAUTHENTICATION in self.client.status:
            return {"status": "reauthenticate"}
        return {"status": "signed_in" if Status.SIGNED_IN in self.client.status else "signed_out"}


def carry_out(app, step):
    given = {name: step[name] for name in ("email", "code", "sign_in_token", "user_id", "count") if name in step}
    try:
        answer = {"ok": True, **(getattr(app, step["do"])(**given) or {})}
    except ClientError as error:
        answer = {"ok": False, "error": next(word for kind, word in ERRORS.items() if isinstance(error, kind))}
    hook.post("/log", content=f"step {step['step']}: {answer}\n")
    hook.post("/answer", json={"step": step["step"], **answer})


hook = httpx.Client(base_url=WHERE, timeout=30)
app, after = None, 0
while True:
    found = hook.get("/next", params={"run": RUN, "after": after})
    if found.status_code == 204:  # nothing yet
        continue
    step = found.raise_for_status().json()
    after = step["step"]
    if step["do"] == "end":
        sys.exit(0 if step["passed"] else 1)
    if step["do"] == "restart":  # as the system kills an app, whatever it is doing
        os.execv(sys.executable, [sys.executable, *sys.argv])
    if step["do"] == "install":
        STORE.unlink(missing_ok=True)
        hook.post("/answer", json={"step": step["step"], "ok": True})
        app = None
        continue
    app = app or App(step["url"], step["dialect"], step["publishable_key"])
    threading.Thread(
        target=carry_out, args=(app, step), daemon=True
    ).start()  # the next step may come before it is done
