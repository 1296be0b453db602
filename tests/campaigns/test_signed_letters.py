"""Letters leave signed by the keys that are active when they leave, whatever was frozen."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Delivery
from apps.campaigns.services import claims, composing, dispatch, drafts, preflight
from apps.campaigns.services.claims import Claimed
from apps.contacts.models import ContactList
from apps.smtp import dkim
from apps.smtp.models import SigningKey, Transport
from apps.smtp.services import configs, name_server, signing, signing_keys
from core import clock
from tests.fault_server import Fault, FaultServer

MakeKey = Callable[..., SigningKey]


@pytest.fixture(autouse=True)
def _nothing_is_kept(settings: Any) -> Iterator[None]:
    settings.INBOX_ADDRESS = "127.0.0.1:2525"
    signing._kept.clear()
    configs.forget()
    yield
    signing._kept.clear()
    configs.forget()


@pytest.fixture
def make_key(workspace: Workspace, owner: User) -> MakeKey:
    def make(domain: str = "northlight.example", algorithm: str = dkim.RSA) -> SigningKey:
        key = signing_keys.make(workspace, domain=domain, algorithm=algorithm, by=owner)
        signing_keys.activate(key, by=owner, unseen=True)
        return key

    return make


@pytest.fixture
def claimed(sending: Callable[..., Campaign]) -> Claimed:
    campaign = sending(1)
    found = claims.begin(Delivery.objects.get(campaign=campaign).pk, owner="me")
    assert found is not None
    return found


def signatures(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\r\n") if line.startswith(b"DKIM-Signature:")]


def test_a_letter_of_a_domain_without_a_key_is_as_it_was(claimed: Claimed, make_key: MakeKey) -> None:
    make_key("elsewhere.example")

    assert composing.compose(claimed).data.startswith(b"From: ")


def test_both_algorithms_sign_and_dkimpy_agrees(claimed: Claimed, make_key: MakeKey) -> None:
    dkimpy = pytest.importorskip("dkim", reason="dkimpy stands in requirements-dev.lock: scripts/test installs it")
    keys = [make_key(), make_key(algorithm=dkim.ED25519)]
    records = {f"{key.record_name}.".encode(): key.record_value.encode() for key in keys}

    data = composing.compose(claimed).data

    assert len(signatures(data)) == 2
    for number in range(2):
        verifier = dkimpy.DKIM(data)
        assert verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: records.get(name))
        covered = {name.lower() for name in verifier.include_headers}
        assert {b"from", b"to", b"list-unsubscribe", b"list-unsubscribe-post", b"message-id"} <= covered
        assert verifier.domain == b"northlight.example"


def test_a_campaign_that_was_frozen_before_is_signed_by_the_key_of_today(claimed: Claimed, make_key: MakeKey) -> None:
    first = make_key()
    assert first.selector.encode() in composing.compose(claimed).data
    second = make_key()

    again = composing.compose(claimed)

    assert second.selector.encode() in again.data and first.selector.encode() not in again.data
    assert again.message_id == claimed.message_id


def test_a_providers_account_signs_by_itself(claimed: Claimed, make_key: MakeKey) -> None:
    make_key()
    Transport.objects.filter(pk=claimed.transport_id).update(kind="provider", provider="resend")
    configs.forget()

    assert signatures(composing.compose(claimed).data) == []


def test_an_address_in_other_letters_is_signed_too(claimed: Claimed, make_key: MakeKey) -> None:
    from apps.campaigns.models import ContentVersion

    make_key("xn--mnchen-3ya.example")
    version = ContentVersion.objects.get(pk=claimed.content_id)
    version.frozen["from_email"] = "news@MÜNCHEN.example"
    ContentVersion.objects.bulk_update([version], ["frozen"])
    composing._frozen.cache_clear()

    assert b"d=xn--mnchen-3ya.example;" in composing.compose(claimed).data
    composing._frozen.cache_clear()


def test_what_a_server_takes_is_verified(sending: Callable[..., Campaign], make_key: MakeKey) -> None:
    dkimpy = pytest.importorskip("dkim", reason="dkimpy stands in requirements-dev.lock: scripts/test installs it")
    keys = [make_key(), make_key(algorithm=dkim.ED25519)]
    records = {f"{key.record_name}.".encode(): key.record_value.encode() for key in keys}
    campaign = sending(1)
    with FaultServer([Fault("dot", "451 4.3.0 not now", nth=1)]) as server:
        relay = Transport.objects.create(
            workspace=campaign.workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
        )
        Delivery.objects.update(transport=relay)
        for _try in range(2):
            Delivery.objects.filter(state="queued").update(due_at=clock.now() - dt.timedelta(hours=1))
            dispatch.send_single(Delivery.objects.get().pk, started=time.monotonic())
        (taken,) = server.letters

    assert Delivery.objects.get().state == "sent" and Delivery.objects.get().attempts == 2
    assert all(
        dkimpy.DKIM(taken.data).verify(idx=number, dnsfunc=lambda name, timeout=5: records.get(name))
        for number in range(2)
    )


def test_a_key_that_cannot_be_read_holds_the_letter_back(
    sending: Callable[..., Campaign], make_key: MakeKey, settings: Any
) -> None:
    make_key()
    signing._kept.clear()
    campaign = sending(1)
    settings.ENCRYPTION_KEYS = ["b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="]
    with FaultServer() as server:
        relay = Transport.objects.create(
            workspace=campaign.workspace, name="Relay", kind="smtp", host="127.0.0.1", port=server.port, tls="none"
        )
        Delivery.objects.update(transport=relay)
        dispatch.send_single(Delivery.objects.get().pk, started=time.monotonic())
        assert server.letters == []

    letter = Delivery.objects.get()
    assert (letter.state, letter.reason, letter.counted_tries) == ("queued", "account", 0)


class TestReview:
    @pytest.fixture
    def campaign(self, workspace: Workspace, owner: User, contact_list: ContactList) -> Campaign:
        relay = Transport.objects.create(workspace=workspace, name="Relay", kind="smtp", host="smtp.example.com")
        changes = {"name": "Spring", "subject": "Hi", "from_email": "n@northlight.example", "transport": relay}
        return drafts.create(workspace, by=owner, changes=changes)

    def codes(self, campaign: Campaign) -> dict[str, str]:
        return {check.code: check.level for check in preflight.inspect(campaign).checks if "signed" in check.code}

    def test_warns_of_a_domain_without_an_active_key_and_stops_nothing(
        self, campaign: Campaign, make_key: MakeKey, owner: User
    ) -> None:
        assert self.codes(campaign) == {"unsigned": "warn"}
        signing_keys.make(campaign.workspace, domain="northlight.example", algorithm=dkim.RSA, by=owner)
        assert self.codes(campaign) == {"unsigned": "warn"}

        key = make_key()
        assert self.codes(campaign) == {"signed_unpublished": "warn"}
        SigningKey.objects.filter(pk=key.pk).update(published="found")

        assert self.codes(campaign) == {"signed": "ok"}

    def test_says_nothing_of_a_provider_or_where_nobody_outside_receives(self, campaign: Campaign) -> None:
        for kind in (
            {"kind": "provider", "provider": "resend", "host": ""},
            {"kind": "local_inbox", "host": "", "provider": ""},
        ):
            Transport.objects.filter(pk=campaign.transport_id).update(**kind)
            assert self.codes(Campaign.objects.get(pk=campaign.pk)) == {}


class TestPages:
    def post(self, client: Client, route: str, *args: Any, **values: str) -> str:
        answer = client.post(reverse(f"campaigns:{route}", args=["northlight", *args]), values, follow=True)
        assert answer.status_code == 200
        return str(answer.content.decode())

    def test_from_a_senders_domain_to_a_key_that_signs_and_its_end(
        self, owner_client: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found: list[str] = []
        monkeypatch.setattr(name_server, "texts", lambda _name: found)
        shown = self.post(owner_client, "signing_key_add", domain="news@northlight.example", algorithm="rsa-sha256")
        key = SigningKey.objects.get()
        assert key.record_name in shown and key.record_value.replace("+", "&#x2B;") in shown.replace("+", "&#x2B;")

        assert "not found yet" not in shown
        shown = self.post(owner_client, "signing_key_activate", key.uuid)
        assert "not found yet" in shown and "no such record" in shown
        found.append("v=DKIM1; p=other")
        assert "but not this one" in self.post(owner_client, "signing_key_check", key.uuid)
        found[:] = [key.record_value]
        assert "It signs every email" in self.post(owner_client, "signing_key_activate", key.uuid)

        self.post(owner_client, "signing_key_add", domain=key.domain, algorithm=key.algorithm)
        successor = SigningKey.objects.exclude(pk=key.pk).get()
        found[:] = [successor.record_value]
        assert key.selector in self.post(owner_client, "signing_key_activate", successor.uuid)
        assert "Retired" in self.post(owner_client, "signing_key_retire", successor.uuid)
        assert "on their way" in self.post(owner_client, "signing_key_delete", successor.uuid)
        assert SigningKey.objects.count() == 2

    def test_the_list_names_the_domains_that_nothing_signs(self, owner_client: Client, workspace: Workspace) -> None:
        from apps.campaigns.services import senders

        senders.add(workspace, name="Northlight", email="news@northlight.example", by=None)

        shown = owner_client.get(reverse("campaigns:domains", args=["northlight"])).content.decode()

        assert "northlight.example" in shown and "Not signed" in shown and "Make a key for" in shown

    def test_a_key_that_signs_without_its_record_looks_ill(self, owner_client: Client, make_key: MakeKey) -> None:
        key = make_key()
        pages = [reverse("campaigns:domains", args=["northlight"])]
        pages.append(reverse("campaigns:signing_key", args=["northlight", key.uuid]))

        listed, alone = (owner_client.get(page).content.decode() for page in pages)
        assert "Signed, record not found" in listed and "Signs, record not found" in listed
        assert "It signs, and its record was not found." in alone

        SigningKey.objects.update(published="found", checked_at=key.made_at)
        assert not any("record not found" in owner_client.get(page).content.decode() for page in pages)

    def test_a_retired_key_says_from_when_to_when_it_signed(
        self, owner_client: Client, make_key: MakeKey, owner: User
    ) -> None:
        key = make_key()
        signing_keys.retire(key, by=owner)

        shown = owner_client.get(reverse("campaigns:signing_key", args=["northlight", key.uuid])).content.decode()
        assert "Signs since" not in shown and "<dt>Signed</dt><dd>from <time" in shown

    def test_a_domain_nothing_was_sent_from_is_no_warning(
        self, owner_client: Client, workspace: Workspace, owner: User
    ) -> None:
        signing_keys.make(workspace, domain="northlight.example", algorithm=dkim.RSA, by=owner)

        shown = owner_client.get(reverse("campaigns:domains", args=["northlight"])).content.decode()
        assert "Not signed" not in shown and shown.count("Not used yet") == 2

    def test_what_is_no_domain_is_said_where_it_was_typed(self, owner_client: Client) -> None:
        answer = owner_client.post(
            reverse("campaigns:signing_key_add", args=["northlight"]), {"domain": "nothing", "algorithm": "rsa-sha256"}
        )

        assert answer.status_code == 422
        assert "This is no domain" in answer.content.decode()
