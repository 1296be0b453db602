"""Tests: real services named by the environment; the short clock where VASHSENDER_TEST_CLOCK=short asks for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from settings import celery as celery_settings
from settings.base import *  # noqa: F403
from settings.base import DATABASES, REDIS_URL
from settings.clocks import chosen
from settings.env import env

# A test that wants a limit to strike may break the table's inequalities on purpose: offer=60 single=9/30
LIMITS = chosen(os.environ.get("VASHSENDER_TEST_CLOCK", ""), os.environ.get("VASHSENDER_TEST_LIMITS", ""))
SECRET_KEY = os.environ.get("VASHSENDER_SECRET_KEY", "only-for-tests-0123456789-0123456789-0123456789")
ENCRYPTION_KEYS = env.encryption_keys or ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="]
# Two tests that run side by side have no folder in common.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
DATA_DIR = Path(os.environ.get("VASHSENDER_DATA") or tempfile.gettempdir()) / f"vashsender-tests{_worker}"
SPOOL_DIR = DATA_DIR / "spool"
# Tests empty their database under one data folder; only those of the guard itself name a file.
EPOCH_FILE = env.vashsender_epoch_file
EXPORTS_DIR = DATA_DIR / "exports"
REFUSALS_FILE = DATA_DIR / "refusals.toml"
PUBLIC_URL = env.given_public_url or "http://localhost:8000"
PRIVATE_SMTP_HOSTS = frozenset({"127.0.0.1", "localhost"})
PROVIDER_API_URLS = dict(one.split("=", 1) for one in os.environ.get("VASHSENDER_TEST_PROVIDER_URLS", "").split())
TESTING_PROVIDERS_OFFERED = True
LOCAL_INBOX_OFFERED = True
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; Argon2 is tested by itself
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
DATABASES["default"]["CONN_MAX_AGE"] = 0 if not os.environ.get("VASHSENDER_TEST_WORKER") else 600
_prefix = os.environ.get("VASHSENDER_TEST_PREFIX", "")
WHITENOISE_AUTOREFRESH = True  # every test client would look through all static files first
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CELERY = celery_settings.configuration(
    broker_url=env.broker_url or REDIS_URL or "memory://", limits=LIMITS, prefix=_prefix
)
TASK_PREFIX = _prefix
