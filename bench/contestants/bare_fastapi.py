"""The yardstick for verification: FastAPI with one route that answers JSON from a model, and nothing behind it.

Runs as a program: `python bare_fastapi.py PORT`.
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Profile(BaseModel):
    """About what userinfo says of somebody."""

    sub: str = "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99"
    nickname: str = "player-4711"
    email: str = "ada@example.com"
    email_verified: bool = True


app = FastAPI(openapi_url=None)


@app.get("/profile")
async def read_profile() -> Profile:
    return Profile()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False, log_level="warning")
