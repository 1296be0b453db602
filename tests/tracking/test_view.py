"""A letter in the browser: what the person got, in a page that can run nothing."""

from __future__ import annotations

from apps.campaigns.models import ContentVersion, Delivery
from apps.contacts.models import Contact
from apps.tracking.models import Event
from core import tokens


def url(delivery: Delivery) -> str:
    return f"/v/{tokens.seal('view', delivery.pk)}"


def test_shows_the_letter_with_the_persons_fields_and_own_way_out(recipient, delivery):
    response = recipient.get(url(delivery))

    page = response.content.decode()
    assert response.status_code == 200
    assert "Hello Mara" in page
    assert tokens.seal("unsubscribe", delivery.pk) in page
    assert Event.objects.get().kind == "view"
    assert not response.cookies


def test_is_sandboxed_even_when_opened_in_a_tab(recipient, delivery):
    headers = recipient.get(url(delivery)).headers

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_survives_the_person(recipient, delivery):
    Contact.objects.all().delete()

    assert recipient.get(url(delivery)).status_code == 200


def test_answers_calmly_when_the_content_cannot_be_filled(recipient, delivery):
    stored = ContentVersion.objects.get()
    stored.frozen["html"] = "{{ 1 / 0 }}"
    stored.frozen["content_hash"] = "f" * 64
    stored.save()

    assert recipient.get(url(delivery)).status_code == 404


def test_refuses_a_token_of_another_purpose(recipient, delivery):
    assert recipient.get(f"/v/{tokens.seal('unsubscribe', delivery.pk)}").status_code == 404
