"""Keys of sending domains: made, found in the DNS, activated, rotated, retired, deleted; one signs at a time."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from apps.accounts.models import AuditEntry, User, Workspace
from apps.smtp import dkim
from apps.smtp.dkim_keys import Published
from apps.smtp.models import SigningKey
from apps.smtp.services import name_server, signing, signing_keys
from apps.smtp.services.signing_keys import SigningKeyError
from core import clock
from core.errors import EspError

State = SigningKey.State


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the name server has; a test fills it."""
    found: dict[str, list[str]] = {}
    monkeypatch.setattr(name_server, "texts", lambda name: found.get(name, []))
    return found


@pytest.fixture
def make(workspace: Workspace, owner: User, records: dict[str, list[str]]) -> Callable[..., SigningKey]:
    def made(domain: str = "northlight.example", algorithm: str = dkim.RSA, *, signs: bool = False) -> SigningKey:
        key = signing_keys.make(workspace, domain=domain, algorithm=algorithm, by=owner)
        if signs:
            records[key.record_name] = [key.record_value]
            signing_keys.activate(key, by=owner)
        return key

    return made


Make = Callable[..., SigningKey]


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("northlight.example", "northlight.example"),
        (" News@Northlight.Example ", "northlight.example"),
        ("https://northlight.example/", "northlight.example"),
        ("https://northlight.example/about/us", "northlight.example"),
        ("northlight.example/about", "northlight.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("northlight.example.", "northlight.example"),
    ],
)
def test_a_domain_is_kept_as_letters_spell_it(make: Make, typed: str, domain: str) -> None:
    assert make(typed).domain == domain


def test_a_domain_whose_record_could_not_exist_gets_no_key(make: Make) -> None:
    label = "a" * 63
    fits = f"{label}.{label}.{label}.{'b' * 27}.io"
    assert len(make(fits).record_name) == 248
    with pytest.raises(SigningKeyError, match="too long") as caught:
        make(f"{label}.{label}.{label}.{'b' * 33}.io")

    assert caught.value.field == "domain"


@pytest.mark.parametrize(
    "typed", ["", "localhost", "a b.example", "x.example\r\nBcc: y", "..", "@", "x_y;.example", "a@b@x.example"]
)
def test_what_is_no_domain_gets_no_key(make: Make, typed: str) -> None:
    with pytest.raises(SigningKeyError) as caught:
        make(typed)

    assert caught.value.field == "domain"
    assert not SigningKey.objects.exists()


def test_a_new_key_signs_nothing_until_its_record_is_found(
    make: Make, owner: User, records: dict[str, list[str]]
) -> None:
    key = make()
    assert signing.signers_of(key.workspace_id, key.domain) == ()

    with pytest.raises(SigningKeyError) as caught:
        signing_keys.activate(key, by=owner)
    assert (caught.value.code, key.state, key.published) == ("not_published", State.MADE, Published.MISSING)

    records[key.record_name] = [key.record_value]
    signing_keys.activate(key, by=owner)
    assert (key.state, key.published) == (State.ACTIVE, Published.FOUND)
    (signer,) = signing.signers_of(key.workspace_id, key.domain)
    assert (signer.domain, signer.selector, signer.algorithm) == (key.domain, key.selector, dkim.RSA)


def test_a_person_may_insist_without_the_record(make: Make, owner: User) -> None:
    key = make()

    signing_keys.activate(key, by=owner, unseen=True)

    assert key.state == State.ACTIVE
    assert AuditEntry.objects.get(action="signing_key_activated").detail == {"unseen": True}


def test_a_name_server_that_says_nothing_leaves_it_open(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_name: str) -> list[str]:
        raise name_server.NoAnswerError

    monkeypatch.setattr(name_server, "texts", silent)
    key = make()

    assert signing_keys.check(key) is Published.UNKNOWN
    assert key.checked_at is not None


def test_the_next_key_takes_over_and_the_one_before_loses_its_private_half(make: Make) -> None:
    first = make(signs=True)
    other_algorithm = make(algorithm=dkim.ED25519, signs=True)
    second = make()
    assert first.selector != second.selector
    first.refresh_from_db()
    assert first.state == State.ACTIVE  # it signs until the next one does

    second = make(signs=True)

    first.refresh_from_db()
    assert (first.state, bool(first.private_key)) == (State.RETIRED, False)
    assert first.retired_at is not None
    names = [signer.selector for signer in signing.signers_of(first.workspace_id, first.domain)]
    assert names == [second.selector, other_algorithm.selector]


def test_a_retired_key_stays_until_no_letter_can_need_it(make: Make, owner: User) -> None:
    key = make(signs=True)
    with pytest.raises(SigningKeyError) as caught:
        signing_keys.delete(key, by=owner)
    assert caught.value.code == "active"

    signing_keys.retire(key, by=owner)
    assert signing.signers_of(key.workspace_id, key.domain) == ()
    with pytest.raises(SigningKeyError) as caught:
        signing_keys.delete(key, by=owner)
    assert caught.value.code == "in_flight"

    SigningKey.objects.filter(pk=key.pk).update(retired_at=clock.now() - dt.timedelta(days=8))
    signing_keys.delete(key, by=owner)
    assert not SigningKey.objects.exists()


def test_only_a_new_key_is_activated_and_only_an_active_one_retired(make: Make, owner: User) -> None:
    key = make()
    with pytest.raises(SigningKeyError):
        signing_keys.retire(key, by=owner)
    signing_keys.activate(key, by=owner, unseen=True)
    signing_keys.retire(key, by=owner)

    with pytest.raises(SigningKeyError) as caught:
        signing_keys.activate(key, by=owner, unseen=True)

    assert caught.value.code == "not_new"
    assert signing.signers_of(key.workspace_id, key.domain) == ()


def test_every_deed_is_noted_and_none_with_a_key(make: Make, owner: User) -> None:
    first, second = make(signs=True), make(signs=True)
    signing_keys.retire(second, by=owner)
    third = make()
    signing_keys.delete(third, by=owner)

    noted = list(AuditEntry.objects.order_by("pk").values_list("action", "target"))
    assert noted == [
        ("signing_key_made", str(first)),
        ("signing_key_activated", str(first)),
        ("signing_key_made", str(second)),
        ("signing_key_retired", str(first)),
        ("signing_key_activated", str(second)),
        ("signing_key_retired", str(second)),
        ("signing_key_made", str(third)),
        ("signing_key_deleted", str(third)),
    ]


def test_the_database_bears_no_two_active_keys_and_no_private_half_of_a_retired_one(make: Make) -> None:
    one, other = make(signs=True), make()
    with pytest.raises(IntegrityError), transaction.atomic():
        SigningKey.objects.filter(pk=other.pk).update(state=State.ACTIVE)
    with pytest.raises(IntegrityError), transaction.atomic():
        SigningKey.objects.filter(pk=one.pk).update(state=State.RETIRED, retired_at=Now())


@pytest.mark.django_db(transaction=True)
def test_of_two_who_activate_at_once_both_are_heard_and_one_signs(make: Make, owner: User) -> None:
    keys = [make(), make(), make()]
    begun = threading.Barrier(len(keys))
    broken: list[BaseException] = []

    def rival(key: SigningKey) -> None:
        try:
            begun.wait(30)
            signing_keys.activate(key, by=owner, unseen=True)
        except (EspError, IntegrityError) as error:
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=rival, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not broken
    states = sorted(SigningKey.objects.values_list("state", flat=True))
    assert states == [State.ACTIVE, State.RETIRED, State.RETIRED]


def test_a_key_of_another_workspace_or_domain_never_signs(make: Make, stranger: User) -> None:
    key = make(signs=True)

    elsewhere = Workspace.objects.get(slug="elsewhere")
    assert signing.signers_of(elsewhere.pk, key.domain) == ()
    assert signing.signers_of(key.workspace_id, "news.northlight.example") == ()


def test_keys_are_read_once_and_for_a_bounded_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make(signs=True)
    signing.forget(key.workspace_id, key.domain)
    before = signing.signers_of(key.workspace_id, key.domain)
    # Another process retires it.
    SigningKey.objects.filter(pk=key.pk).update(state=State.RETIRED, retired_at=Now(), private_key="")
    assert signing.signers_of(key.workspace_id, key.domain) is before

    now = signing.time.monotonic()
    monkeypatch.setattr(signing.time, "monotonic", lambda: now + signing.FRESH_SECONDS + 1)
    assert signing.signers_of(key.workspace_id, key.domain) == ()


def test_a_key_that_cannot_be_read_is_an_error_without_the_key(
    make: Make, caplog: pytest.LogCaptureFixture, settings: object
) -> None:
    caplog.set_level(logging.DEBUG)
    key = make(signs=True)
    private = SigningKey.objects.get(pk=key.pk).private_key.reveal()
    signing.forget(key.workspace_id, key.domain)
    settings.ENCRYPTION_KEYS = ["b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="]  # type: ignore[attr-defined]

    with pytest.raises(EspError) as caught:
        signing.signers_of(key.workspace_id, key.domain)

    assert caught.value.code == "wrong_encryption_key"
    said = str(caught.value) + repr(caught.value) + caplog.text
    assert private[:40] not in said and "***" in repr(SigningKey.objects.get(pk=key.pk).private_key)


def test_a_selector_is_a_name(make: Make) -> None:
    key = make(algorithm=dkim.ED25519)

    assert dkim.is_name(key.selector) and len(key.selector) < 20
    assert key.record_name == f"{key.selector}._domainkey.northlight.example"
    assert key.record_value.startswith("v=DKIM1; k=ed25519; p=")


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    signing._kept.clear()
    yield
    signing._kept.clear()
