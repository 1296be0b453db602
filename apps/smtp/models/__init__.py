"""The smtp app's records."""

from apps.smtp.models.inbox import InboxLetter
from apps.smtp.models.signing import SigningKey
from apps.smtp.models.transport import Throttle, Transport

__all__ = ["InboxLetter", "SigningKey", "Throttle", "Transport"]
