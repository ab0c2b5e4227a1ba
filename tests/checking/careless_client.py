"""A client that makes every mistake that it is told to, for `gatepass check-client` to find. Elixir, httpx alone."""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

STORE = Path(os.environ["GATEPASS_STORE"]) / "session.json"
HTTP = httpx.Client(
    base_url=os.environ["GATEPASS_URL"], headers={"x-api-key": os.environ["GATEPASS_PUBLISHABLE_KEY"]}, timeout=30
)
AUTH = "/sdk/auth/v2"
pair: dict = json.loads(STORE.read_text()) if STORE.exists() else {}


def take(data):
    pair.clear()
    pair.update(token=data["token"], refreshToken=data["refreshToken"])
    print(f"got {data['token']}", file=sys.stderr)  # logs a token


def refresh():
    for _ in range(10):  # no lock, no pause, deaf to Retry-After
        try:
            answer = HTTP.post(f"{AUTH}/session/refresh", json={"refreshToken": pair.get("refreshToken", "")})
        except httpx.HTTPError:
            continue
        if answer.status_code == 200:
            return take(answer.json()["data"])
        if answer.status_code < 500 and answer.status_code != 429:
            raise LookupError("refused")  # and keeps the dead token
    pair.clear()  # a server in trouble signs the user out
    raise LookupError("signed_out")


def call():
    def ask():
        headers = {"authorization": f"Bearer {pair.get('token', 'none')}"}
        return HTTP.get("/sdk/v2/userinfo", headers=headers, params={"token": pair.get("token", "")})

    if ask().status_code != 200:
        refresh()
        if ask().status_code != 200:
            raise LookupError("refused")
        STORE.write_text(json.dumps(pair))  # uses before it stores


def obey(do, **given):
    global transaction
    if do == "ask_for_code":
        transaction = HTTP.post(f"{AUTH}/signin/otp-login", json=given).json()["data"]["transactionId"]
    if do == "sign_in":
        body = {"transactionId": transaction, "code": given["code"]}
        take(HTTP.post(f"{AUTH}/signin/otp-verify", json=body).json()["data"])
        STORE.write_text(json.dumps(pair))
    if do == "call":
        call()
    if do == "calls":
        barrier = threading.Barrier(given["count"])
        with ThreadPoolExecutor(given["count"]) as pool:
            list(pool.map(lambda _: (barrier.wait(), call()), range(given["count"])))
    return {"status": "signed_in" if pair else "signed_out"}


for line in sys.stdin:
    try:
        print(json.dumps({"ok": True, **obey(**json.loads(line))}), flush=True)
    except LookupError as error:
        print(json.dumps({"ok": False, "error": str(error)}), flush=True)
