"""Finding what a person names on a command line."""

from __future__ import annotations

import uuid

from django.utils.translation import gettext as _

from apps.campaigns.models import Campaign
from core.errors import NotFoundError


def campaign(text: str) -> Campaign:
    """Return a campaign by its number (as in its page's address) or its uuid.

    Raises:
        NotFoundError: there is no such campaign.
    """
    found = None
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = Campaign.objects.filter(pk=int(text))
    else:
        try:
            found = Campaign.objects.filter(uuid=uuid.UUID(text))
        except ValueError:
            found = Campaign.objects.none()
    one = found.select_related("workspace", "transport").first()
    if one is None:
        raise NotFoundError(
            _("There is no campaign “%(name)s”. Give its number, as it stands in its page's address.") % {"name": text},
            code="no_such_campaign",
        )
    return one
