"""Forgets a person in the letters that were made for them; the letters go on counting."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from apps.campaigns.models import Delivery

# What a letter's row forgot stands in its entries, with the server's words, which may repeat the address.
_FORGET_ENTRIES = """
UPDATE campaigns_deliveryentry e
   SET detail = replace(replace(e.detail::text, d.email, '…'), lower(d.email), '…')::jsonb
  FROM campaigns_delivery d
 WHERE d.id = e.delivery_id AND d.contact_id = ANY(%s) AND d.email <> ''
   AND strpos(lower(e.detail::text), lower(d.email)) > 0
"""
# A letter in hand forgets it too: its worker knows the address, and what it writes later leaves out the server's words.
_FORGET = """
UPDATE campaigns_delivery
   SET email = '', last_text = CASE WHEN strpos(lower(last_text), lower(email)) > 0 THEN '' ELSE last_text END
 WHERE contact_id = ANY(%s) AND email <> ''
"""
# A result is written either before all of this or when the person is gone, never in between.
_LOCK = "SELECT 1 FROM campaigns_delivery WHERE contact_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
# Servers repeat the address in what they say; asked before the rows above forget it.
_FORGET_WORDS = (
    """UPDATE campaigns_attempt a SET text = '' FROM campaigns_delivery d
       WHERE d.id = a.delivery_id AND d.contact_id = ANY(%s) AND d.email <> ''
         AND strpos(lower(a.text), lower(d.email)) > 0""",
    """UPDATE campaigns_deliveryentry e SET detail = e.detail || '{"text": ""}'::jsonb FROM campaigns_delivery d
       WHERE d.id = e.delivery_id AND d.contact_id = ANY(%s) AND d.email <> ''
         AND strpos(lower(e.detail ->> 'text'), lower(d.email)) > 0""",
)


def forget(contact_ids: Collection[int]) -> None:
    """Take the address out of people's letters; the fingerprint stays, so that their links still stop everything."""
    with connection.cursor() as cursor:
        for statement in (_LOCK, *_FORGET_WORDS):
            cursor.execute(statement, [list(contact_ids)])
        for statement in (_FORGET_ENTRIES, _FORGET):
            cursor.execute(statement, [list(contact_ids)])


def with_letters(contact_ids: Collection[int]) -> set[int]:
    """Return those of some people to whom a letter was made."""
    found = Delivery.objects.filter(contact__in=list(contact_ids)).values_list("contact_id", flat=True)
    return {pk for pk in found if pk is not None}
