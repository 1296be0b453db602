"""What every way of running shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONCE
from django.utils.translation import gettext_lazy as _

from settings import celery as celery_settings
from settings.env import ROOT, env
from settings.limits import REAL, Limits
from settings.logging import logging_config
from settings.tiers import delivery_of

BASE_DIR = ROOT
DATA_DIR: Path = env.data_dir
SPOOL_DIR: Path = DATA_DIR / "spool"
EPOCH_FILE: Path | None = env.vashsender_epoch_file or DATA_DIR / "epoch.json"
BACKUP_DIR: Path | None = env.vashsender_backup_dir
EXPORTS_DIR: Path = DATA_DIR / "exports"
# Rules of this installation's own about what refusals mean; see docs/operations/refusals.md.
REFUSALS_FILE: Path = DATA_DIR / "refusals.toml"
LIMITS: Limits = REAL
TIER = env.vashsender_tier
DELIVERY: str = delivery_of(TIER)

DEBUG = False
SECRET_KEY = env.secret_key or "not-set-up"
ENCRYPTION_KEYS: list[str] = env.encryption_keys
PUBLIC_URL: str = env.public_url
BOUNCE_DOMAIN: str = env.vashsender_bounce_domain
PRIVATE_SMTP_HOSTS: frozenset[str] = env.private_smtp_hosts
# Only settings/test.py says otherwise: nobody's key goes to an address that is not in the catalogue.
PROVIDER_API_URLS: dict[str, str] = {}
TESTING_PROVIDERS_OFFERED = False
INBOX_ADDRESS: tuple[str, int] | None = env.inbox_address
LOCAL_INBOX_OFFERED: bool = env.vashsender_local_inbox is not False

_public_host = urlsplit(PUBLIC_URL).hostname
ALLOWED_HOSTS: list[str] = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    *env.allowed_hosts,
    *([_public_host] if _public_host else []),
]
CSRF_TRUSTED_ORIGINS: list[str] = [PUBLIC_URL] if PUBLIC_URL.startswith("http") else []

INSTALLED_APPS = [
    "core",
    "apps.accounts",
    "apps.contacts",
    "apps.smtp",
    "apps.campaigns",
    "apps.tracking",
    "apps.api",
    "apps.web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "django_htmx",
    "django_vite",
    "csp",
    "anymail",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.middleware.HealthMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.PeopleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.middleware.NullByteMiddleware",
    "core.middleware.ErrorMiddleware",
]

ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.web.context.shell",
            ],
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env.database_url or "postgresql:///vashsender", conn_max_age=600, conn_health_checks=False
    )
}
# A server that vanishes without a word is noticed within seconds: results wait in memory, and a hard limit is near.
# What the URL says goes first; over a Unix socket the times mean nothing.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    "application_name": "vashsender",
    "tcp_user_timeout": 10_000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    **DATABASES["default"].get("OPTIONS", {}),
}
# Only `core.database.execute` prepares statements; off behind a pooler that does not know them.
PREPARED_STATEMENTS: bool = env.vashsender_prepared_statements

REDIS_URL: str = env.redis_url
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL.replace("redis+socket://", "unix://") or "redis://127.0.0.1:6379/0",
        "KEY_PREFIX": "vs",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
# Sessions live in PostgreSQL: a flushed cache signs nobody out.
SESSION_ENGINE = "apps.accounts.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_SAVE_EVERY_REQUEST = False
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
# On, so that an unknown address costs the same work as a known one; the adapter throws that letter away.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
# How many proxies of ours append to X-Forwarded-For; 0 believes nobody.
ALLAUTH_TRUSTED_PROXY_COUNT: int = env.vashsender_trusted_proxies
PASSWORD_RESET_TIMEOUT = 3600

LANGUAGE_CODE = "en"
LOCALE_PATHS = [ROOT / "locale"]
# Only what we really speak is offered: English, and each language whose catalogue is there.
LANGUAGES = [
    (code, word)
    for code, word in (("en", _("English")), ("ru", _("Russian")), ("uk", _("Ukrainian")))
    if code == LANGUAGE_CODE or (ROOT / "locale" / code / "LC_MESSAGES" / "django.mo").is_file()
]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
# WhiteNoise serves the build where it lies; nothing is collected.
STATIC_ROOT: Path | None = None
STATICFILES_DIRS = [ROOT / "frontend" / "dist"]
DJANGO_VITE = {"default": {"dev_mode": False, "manifest_path": ROOT / "frontend" / "dist" / "manifest.json"}}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# Vite names files by their content: they may be kept forever.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/.+-[\w-]{8}\.\w+$"

EMAIL_BACKEND = "apps.smtp.mail.SystemMailBackend"
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = "VashSender <vashsender@localhost>"

DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "apps.contacts.uploads.CappedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        # The nonce is spoken only by pages with an editor, which brings its styles along as it starts.
        "style-src": ["'self'", NONCE],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

CELERY: dict[str, Any] = celery_settings.configuration(broker_url=env.broker_url or "memory://", limits=LIMITS)

LOGGING = logging_config()
