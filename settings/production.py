"""Production: nothing is assumed; what is missing is said by the system checks and `health_check`."""

from django.core.exceptions import ImproperlyConfigured

from settings.base import *  # noqa: F403
from settings.env import env

DEBUG = False
LOCAL_INBOX_OFFERED = env.vashsender_local_inbox is True

if not env.secret_key:
    raise ImproperlyConfigured(
        "Set VASHSENDER_SECRET_KEY, or put a random key into keys/secret_key of the data folder."
    )
if not env.encryption_keys:
    raise ImproperlyConfigured(
        "Set VASHSENDER_ENCRYPTION_KEYS, or put a Fernet key into keys/encryption_key of the data folder."
    )
if env.public_url.startswith("https://"):
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
