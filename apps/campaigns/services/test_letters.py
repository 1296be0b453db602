"""Test letters: the same way as any other, to any address, never in a campaign's numbers."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import batching, lifecycle
from apps.campaigns.states import POLICY_OF_KIND, DeliveryKind
from apps.contacts.models import Contact
from core import addresses, jobs
from core.errors import EspError

MAX_ADDRESSES = 10


def send(campaign: Campaign, *, to: list[str], as_contact: Contact | None = None) -> list[Delivery]:
    """Queue one test letter for each address with the campaign's content as it is now.

    Args:
        as_contact: whose fields fill the letter; without one they are empty.

    Raises:
        EspError: an address is wrong, there are too many, or the content or account is not ready.
    """
    if not to or len(to) > MAX_ADDRESSES:
        raise EspError(_("Give one to %(count)d addresses.") % {"count": MAX_ADDRESSES}, code="too_many_addresses")
    targets = [addresses.parse(text) for text in to]
    lifecycle.check_transport(campaign)
    content = lifecycle.freeze_content(campaign)
    domain = lifecycle.message_domain(campaign)
    with transaction.atomic():
        made = []
        for address in targets:
            public_id = uuid.uuid4()
            made.append(
                Delivery.objects.create(
                    workspace_id=campaign.workspace_id,
                    kind=DeliveryKind.TEST,
                    policy=POLICY_OF_KIND[DeliveryKind.TEST],
                    campaign=campaign,
                    contact=as_contact,
                    content=content,
                    transport_id=campaign.transport_id or 0,
                    uuid=public_id,
                    message_id=f"<{public_id}@{domain}>",
                    email=address.email,
                    email_hash=addresses.fingerprint(address.normalised),
                    priority=1,
                    rung_at=Now(),
                    expires_at=Now() + dt.timedelta(hours=1),
                )
            )
        jobs.ring_each(batching.SINGLE, [(delivery.pk,) for delivery in made])
    return made
