"""A Django site with nothing but allauth headless: JWT tokens, rotating refresh tokens, sessions in PostgreSQL.

`python bench_site.py migrate` makes the schema; `python bench_site.py seed` makes COUNT users with a session each and
writes their refresh tokens to the file POOL; gunicorn serves `application`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

HERE = Path(__file__).resolve().parent
KEY = HERE / "key.pem"
if not KEY.exists():
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    KEY.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

database = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY="a-secret-for-measurements-0123456789abcdef",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database.path.strip("/"),
            "USER": database.username,
            "HOST": database.hostname,
            "PORT": database.port,
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
        "allauth.headless",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    HEADLESS_ONLY=True,
    HEADLESS_CLIENTS=("app",),
    HEADLESS_TOKEN_STRATEGY="allauth.headless.tokens.strategies.jwt.JWTTokenStrategy",
    HEADLESS_JWT_PRIVATE_KEY=KEY.read_text(),
    HEADLESS_JWT_ROTATE_REFRESH_TOKEN=True,
    ACCOUNT_RATE_LIMITS=False,
)
django.setup()

urlpatterns = [path("accounts/", include("allauth.urls")), path("_allauth/", include("allauth.headless.urls"))]


def seed(count: int, pool: Path) -> None:
    """Signed-in users, each with the refresh token that allauth makes for its session."""
    from allauth.headless.tokens.strategies.jwt import internal
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore

    with pool.open("w") as tokens:
        for number in range(count):
            user = get_user_model().objects.create(username=f"user-{number}")
            session = SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.save()
            tokens.write(internal.create_refresh_token(user, session) + "\n")
            session.save()


if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        call_command("migrate", verbosity=0)
    else:
        seed(int(os.environ["COUNT"]), Path(os.environ["POOL"]))
else:
    application = get_wsgi_application()
