"""A mobile app's session with Gatepass, in either dialect: sign in, call, renew, and lose nothing that can be kept."""

from typing import Any

import httpx

ATTEMPTS = 3


class SignedOut(Exception):
    """The server ended the session; the text is its reason."""


class TryLater(Exception):
    """The server cannot answer now. The session is kept."""


class Client:
    """What both dialects share. *store* is the phone's keychain."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.http = httpx.Client(base_url=url, headers=headers, timeout=5)
        self.store: dict[str, str] = {}

    def close(self) -> None:
        self.http.close()

    def call(self, method: str, path: str) -> Any:
        """A call of the API, with one renewal where the access token has run out."""
        answer = self._send(method, path)
        if self._is_token_refused(answer):
            self.renew()
            answer = self._send(method, path)
        if answer.status_code >= 500:
            raise TryLater
        answer.raise_for_status()
        return answer.json()

    def renew(self) -> None:
        """Trade the refresh token for a new pair. A lost answer is asked for again; only the server's word ends it."""
        for _ in range(ATTEMPTS):
            try:
                answer = self._refresh(self.store["refresh"])
            except httpx.TransportError:
                continue
            if answer.status_code >= 500 or answer.status_code == 429:
                raise TryLater
            if answer.is_error:
                self.store.clear()
                raise SignedOut(self._reason(answer))
            return self._keep(answer)
        raise TryLater

    def _send(self, method: str, path: str) -> httpx.Response:
        if "access" not in self.store:
            raise SignedOut
        bearer = {"authorization": f"Bearer {self.store['access']}"}
        try:
            return self.http.request(method, path, headers=bearer)
        except httpx.TransportError:
            raise TryLater from None

    def _is_token_refused(self, answer: httpx.Response) -> bool:
        return answer.status_code == 401

    def _refresh(self, token: str) -> httpx.Response:
        raise NotImplementedError

    def _keep(self, answer: httpx.Response) -> None:
        raise NotImplementedError

    def _reason(self, answer: httpx.Response) -> str:
        return answer.text


class ElixirClient(Client):
    """Signs in with a code from a mail."""

    def __init__(self, url: str, publishable_key: str) -> None:
        super().__init__(url, {"x-api-key": publishable_key})

    def ask_for_code(self, email: str) -> str:
        answer = self.http.post("/sdk/auth/v2/signin/otp-login", json={"email": email})
        answer.raise_for_status()
        return answer.json()["data"]["transactionId"]

    def sign_in(self, transaction_id: str, code: str) -> None:
        body = {"transactionId": transaction_id, "code": code}
        answer = self.http.post("/sdk/auth/v2/signin/otp-verify", json=body)
        if answer.is_error:
            raise SignedOut(self._reason(answer))
        self._keep(answer)

    def profile(self) -> Any:
        return self.call("GET", "/sdk/v2/userinfo")["data"]

    def _is_token_refused(self, answer: httpx.Response) -> bool:
        return answer.status_code == 400 and answer.json()["error"]["code"] == 1000

    def _refresh(self, token: str) -> httpx.Response:
        return self.http.post("/sdk/auth/v2/session/refresh", json={"refreshToken": token})

    def _keep(self, answer: httpx.Response) -> None:
        data = answer.json()["data"]
        self.store = {"access": data["token"], "refresh": data["refreshToken"]}

    def _reason(self, answer: httpx.Response) -> str:
        error = answer.json()["error"]
        return error.get("banReason") or str(error)


class JunctionClient(Client):
    """Signs in with a token that the app's backend fetched."""

    def sign_in(self, sign_in_token: str) -> None:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:junction:sign-in-token",
            "subject_token": sign_in_token,
        }
        for _ in range(ATTEMPTS):
            try:
                answer = self.http.post("/v1/token", data=form)
            except httpx.TransportError:
                continue
            if answer.is_error:
                raise SignedOut(self._reason(answer))
            return self._keep(answer)
        raise TryLater

    def _refresh(self, token: str) -> httpx.Response:
        return self.http.post("/v1/token", data={"grant_type": "refresh_token", "refresh_token": token})

    def _keep(self, answer: httpx.Response) -> None:
        body = answer.json()
        self.store = {"access": body["access_token"], "refresh": body["refresh_token"]}
