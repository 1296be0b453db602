"""Letters through a provider's API: the marker first, one request, and an outcome that the answer proves."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.conf import settings as configured

from apps.smtp.budget import Budget, now
from apps.smtp.config import TransportConfig
from apps.smtp.envelope import Envelope
from apps.smtp.outcome import Accepted, Deferred, FailureClass, Outcome, Rejected, Stage, Unknown, Withheld
from apps.smtp.pool import connections
from apps.smtp.providers import catalogue, lines
from apps.smtp.services import post_office
from core.secretbox import EncryptedField, Secret, encrypt
from tests.provider_server import Answer, ProviderServer, Request
from tests.smtp.conftest import budget

KEY = "canary-key-Zx7"
MESSAGE_ID = "<5f0c1d2e@northlight.example>"
UNSUBSCRIBE = "<https://mail.northlight.example/u/token>"
OPTIONS: dict[str, dict[str, str]] = {
    "amazon_ses": {"access_key_id": "AKIA0123456789ABCDEF", "secret_access_key": KEY, "region": "eu-central-1"},
    "brevo": {"api_key": KEY},
    "mailersend": {"api_token": KEY},
    "mailgun": {"api_key": KEY, "region": "eu"},
    "mailjet": {"api_key": "public", "secret_key": KEY},
    "mailtrap": {"api_token": KEY},
    "mandrill": {"api_key": KEY},
    "postmark": {"server_token": KEY, "message_stream": "broadcast"},
    "resend": {"api_key": KEY},
    "scaleway": {"secret_key": KEY, "project_id": "11111111-2222-3333-4444-555555555555"},
    "sendgrid": {"api_key": KEY, "region": "eu"},
    "sparkpost": {"api_key": KEY},
    "unisender_go": {"api_key": KEY, "region": "go2"},
}
TO = "ann@example.com"
# What each says when it takes a letter.
TAKEN: dict[str, Answer] = {
    "amazon_ses": Answer(200, {"MessageId": "id-1"}),
    "brevo": Answer(201, {"messageId": "id-1"}),
    "mailersend": Answer(202, b"", {"X-Message-Id": "id-1", "Content-Type": "text/html"}),
    "mailgun": Answer(200, {"id": "id-1", "message": "Queued. Thank you."}),
    "mailjet": Answer(200, {"Messages": [{"Status": "success", "To": [{"Email": TO, "MessageID": "id-1"}]}]}),
    "mailtrap": Answer(200, {"success": True, "message_ids": ["id-1"]}),
    "mandrill": Answer(200, [{"email": TO, "status": "sent", "_id": "id-1"}]),
    "postmark": Answer(200, {"ErrorCode": 0, "Message": "OK", "To": TO, "MessageID": "id-1"}),
    "resend": Answer(200, {"id": "id-1"}),
    "scaleway": Answer(200, {"emails": [{"id": "id-1", "mail_rcpt": TO, "status": "new"}]}),
    "sendgrid": Answer(202, b""),
    "sparkpost": Answer(
        200, {"results": {"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": "id-1"}}
    ),
    "unisender_go": Answer(200, {"status": "success", "job_id": "id-1", "emails": [TO]}),
}


def envelope(**changes: Any) -> Envelope:
    lines_of_it = [
        b"From: =?utf-8?b?Wm/DqywgdGhlICJCYXJpc3RhIg==?= <hello@northlight.example>",
        b"To: Ann Lee <ann@example.com>",
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        b"Date: Fri, 20 Nov 2026 10:00:00 +0000",
        b"Message-ID: " + MESSAGE_ID.encode(),
        b"List-Unsubscribe: " + UNSUBSCRIBE.encode(),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        b"List-Id: =?utf-8?q?Kaffee_f=C3=BCr_alle?= <list-1.northlight.example>",
        b"Reply-To: team@northlight.example",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/alternative; boundary="b"',
        b"",
        b"--b",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"Gr=C3=BC=C3=9Fe, Ann",
        b"--b",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"<p>Gr=C3=BC=C3=9Fe, <b>Ann</b></p>",
        b"--b--",
        b"",
    ]
    values = {"mail_from": "b+1@northlight.example", "rcpt_to": TO, "data": b"\r\n".join(lines_of_it)}
    return Envelope(**{**values, "message_id": MESSAGE_ID, **changes})


@pytest.fixture(autouse=True)
def _no_line_is_kept() -> Iterator[None]:
    lines.close_idle(all_idle=True)
    yield
    lines.close_idle(all_idle=True)


@pytest.fixture
def serving(settings: Any) -> Iterator[Callable[..., ProviderServer]]:
    running: list[ProviderServer] = []

    def serve(*answers: Answer, usual: Callable[[Request], Answer] | None = None) -> ProviderServer:
        made = ProviderServer(answers, usual=usual).start()
        running.append(made)
        settings.PROVIDER_API_URLS = dict.fromkeys(catalogue.PROVIDERS, made.url)
        return made

    yield serve
    for one in running:
        one.stop()


def config(provider: str = "resend", **options: str) -> TransportConfig:
    known = json.dumps({**OPTIONS.get(provider, {}), **options})
    return TransportConfig(id=7, workspace_id=1, kind="provider", provider=provider, options=Secret(known))


class Mark:
    """The marker of a letter: says what it is told, and when it was asked."""

    def __init__(self, says: bool = True, server: ProviderServer | None = None) -> None:
        self.says, self.asked, self._server = says, 0, server
        self.requests_before = -1

    def __call__(self) -> bool:
        self.asked += 1
        self.requests_before = len(self._server.requests) if self._server else -1
        return self.says


def carry(
    provider: str = "resend", *, mark: Callable[[], bool] | None = None, limits: Budget | None = None, **options: str
) -> Outcome:
    return post_office.carry(config(provider, **options), envelope(), budget=limits or budget(), mark=mark or Mark())


def test_every_provider_of_the_list_has_options_and_answers_here() -> None:
    assert set(OPTIONS) == set(TAKEN) == set(catalogue.PROVIDERS)
    assert {"test", "console"} == set(catalogue.offered()) - set(catalogue.PROVIDERS)


@pytest.mark.parametrize("provider", sorted(catalogue.PROVIDERS))
def test_a_letter_is_marked_and_then_posted_once(serving: Callable[..., ProviderServer], provider: str) -> None:
    server = serving(TAKEN[provider])
    mark = Mark(server=server)

    outcome = carry(provider, mark=mark)

    assert isinstance(outcome, Accepted), outcome
    assert (mark.asked, mark.requests_before, len(server.requests)) == (1, 0, 1)
    if provider not in ("sendgrid", "unisender_go"):  # their ids are ours, sent along
        assert "id-1" in outcome.reply.text
    sent = server.requests[0]
    assert sent.method == "POST"
    assert KEY not in sent.path


@pytest.mark.parametrize("provider", sorted(set(catalogue.PROVIDERS) - {"mailersend", "sendgrid", "unisender_go"}))
def test_a_number_with_nul_in_it_is_fit_for_the_database(serving: Callable[..., ProviderServer], provider: str) -> None:
    taken = json.loads(json.dumps(TAKEN[provider].body).replace("id-1", "id\\u0000\\ud8001"))
    serving(Answer(200, taken))

    outcome = carry(provider)

    assert isinstance(outcome, Accepted), outcome
    assert outcome.reply.text.endswith("id 1")


@pytest.mark.parametrize("provider", sorted(set(catalogue.PROVIDERS) - {"amazon_ses"}))
def test_the_letter_is_ours_to_the_word(serving: Callable[..., ProviderServer], provider: str) -> None:
    server = serving(TAKEN[provider])

    carry(provider)

    body = server.requests[0].body.decode()
    text = body if provider == "mailgun" else json.dumps(json.loads(body), ensure_ascii=False)
    plain = unquote_plus(text)
    assert "Grüße, Ann" in plain
    assert "<p>Grüße, <b>Ann</b></p>" in plain
    assert any(name in plain for name in ('the \\\\\\"Barista', 'the \\"Barista', 'the "Barista', "=?utf-8?"))
    assert "https://mail.northlight.example/u/token" in plain
    assert ("<list-1.northlight.example>" in plain) is catalogue.PROVIDERS[provider].takes_headers
    assert "team@northlight.example" in plain
    if catalogue.PROVIDERS[provider].keeps_message_id:
        assert MESSAGE_ID in plain


def test_a_provider_that_takes_bytes_gets_the_bytes(serving: Callable[..., ProviderServer]) -> None:
    import base64

    server = serving(TAKEN["amazon_ses"])

    carry("amazon_ses")

    sent = server.requests[0].json
    raw = base64.b64decode(sent["Content"]["Raw"]["Data"])
    assert raw == envelope().data
    assert sent["Destination"] == {"ToAddresses": [TO]}
    assert message_from_bytes(raw)["Message-ID"] == MESSAGE_ID


def test_what_goes_into_the_bodies_stays_out_of_global_settings(serving: Callable[..., ProviderServer]) -> None:
    server = serving(TAKEN["postmark"])

    carry("postmark")

    sent = server.requests[0]
    assert sent.headers["X-Postmark-Server-Token"] == KEY
    assert sent.json["MessageStream"] == "broadcast"
    assert sent.json["Metadata"] == {"letter": MESSAGE_ID.strip("<>")}
    assert not hasattr(configured, "ANYMAIL")


def test_a_mark_that_refuses_lets_no_byte_out(serving: Callable[..., ProviderServer]) -> None:
    server = serving()

    for provider in ("resend", "amazon_ses"):
        assert carry(provider, mark=Mark(says=False)) == Withheld("refused", marked=False)

    assert server.requests == []


def test_without_time_for_the_answer_it_is_not_even_asked(serving: Callable[..., ProviderServer]) -> None:
    server, mark = serving(), Mark()

    outcome = carry(mark=mark, limits=budget(soft_until=now() + 5, dot_floor=20.0))

    assert (outcome, mark.asked, server.requests) == (Withheld("no_time", marked=False), 0, [])


def test_after_a_stall_around_the_mark_it_is_not_sent(serving: Callable[..., ProviderServer]) -> None:
    server = serving()

    outcome = carry(limits=budget(stall_limit=-1.0))

    assert (outcome, server.requests) == (Withheld("stalled", marked=True), [])


@pytest.mark.parametrize(
    ("provider", "answer", "failure", "stage"),
    [
        ("resend", Answer(401, {"name": "missing_api_key", "message": "Missing"}), "account", "auth"),
        ("resend", Answer(403, {"name": "validation_error", "message": "not verified"}), "account", "auth"),
        ("brevo", Answer(402, {"code": "not_enough_credits", "message": "No credits"}), "account", "auth"),
        ("mailgun", Answer(404, {"message": "Domain not found"}), "account", "auth"),
        ("postmark", Answer(422, {"ErrorCode": 401, "Message": "Sender signature"}), "account", "auth"),
        ("mandrill", Answer(500, {"status": "error", "name": "Invalid_Key", "message": "No"}), "account", "auth"),
        ("sendgrid", Answer(302, {}, {"Location": "http://127.0.0.1:1/"}), "protocol", "mail"),
        (
            "amazon_ses",
            Answer(400, {"message": "Email address is not verified."}, {"x-amzn-ErrorType": "MessageRejected"}),
            "account", "auth",
        ),
    ],
)  # fmt: skip
def test_trouble_of_the_account_is_the_accounts(
    serving: Callable[..., ProviderServer], provider: str, answer: Answer, failure: str, stage: str
) -> None:
    server = serving(answer)

    outcome = carry(provider)

    assert isinstance(outcome, Deferred), outcome
    assert (outcome.failure.value, outcome.stage.value) == (failure, stage)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("provider", "answer", "failure", "stage"),
    [
        ("resend", Answer(422, {"name": "validation_error", "message": "Invalid `to` field."}),
         "perm_recipient", "rcpt"),
        ("mailgun", Answer(400, {"message": "'to' parameter is not a valid address"}), "perm_recipient", "rcpt"),
        ("mandrill", Answer(200, [{"email": TO, "status": "invalid"}]), "perm_recipient", "rcpt"),
        ("mandrill", Answer(200, [{"email": TO, "status": "rejected"}]), "transient_recipient", "rcpt"),
        ("postmark", Answer(422, {"ErrorCode": 406, "Message": "Inactive recipient"}), "transient_recipient", "rcpt"),
        ("resend", Answer(422, {"name": "missing_required_field", "message": "subject"}), "message", "data"),
        ("sendgrid", Answer(413, {"errors": [{"message": "Too large"}]}), "message", "data"),
        ("mailjet", Answer(400, {"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "mj-0013"}]}]}),
         "perm_recipient", "rcpt"),
    ],
)  # fmt: skip
def test_only_a_word_about_the_recipient_is_about_the_recipient(
    serving: Callable[..., ProviderServer], provider: str, answer: Answer, failure: str, stage: str
) -> None:
    serving(answer)

    outcome = carry(provider)

    assert isinstance(outcome, Rejected), outcome
    assert (outcome.failure.value, outcome.stage.value) == (failure, stage)


@pytest.mark.parametrize(
    ("provider", "answer", "seconds"),
    [
        ("resend", Answer(429, {"name": "rate_limit_exceeded"}, {"Retry-After": "7"}), 7),
        ("resend", Answer(429, {"name": "daily_quota_exceeded", "message": "Daily quota"}), 3600),
        ("resend", Answer(429, {"name": "rate_limit_exceeded", "message": "Too many"}), 2),
        ("sparkpost", Answer(420, {"errors": [{"message": "Exceed sending limit"}]}), 3600),
        ("amazon_ses", Answer(429, {"message": "Slow"}, {"x-amzn-ErrorType": "TooManyRequestsException"}), 2),
    ],
)
def test_too_fast_is_no_try_and_waits_as_told(
    serving: Callable[..., ProviderServer], provider: str, answer: Answer, seconds: int
) -> None:
    server = serving(answer)

    outcome = carry(provider)

    assert isinstance(outcome, Deferred)
    assert (outcome.failure, outcome.counted, outcome.reason) == (FailureClass.POLICY_RATE, False, "throttled")
    assert outcome.retry_after == timedelta(seconds=seconds)
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", ["resend", "amazon_ses"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, {"message": "Oops"}), Answer(502, b"<html>"), Answer(503, b"", {"Retry-After": "1"}),
        Answer(504, b""), Answer(200, b"not json"), Answer(then="drop"),
        Answer(409, {"name": "invalid_idempotent_request"}),
    ],
)  # fmt: skip
def test_an_answer_that_proves_nothing_is_perhaps(
    serving: Callable[..., ProviderServer], provider: str, answer: Answer
) -> None:
    server = serving(answer)

    outcome = carry(provider)

    assert isinstance(outcome, Unknown), outcome
    assert outcome.stage is Stage.DOT
    assert len(server.requests) == 1


@pytest.mark.parametrize("then", ["hang", "trickle"])
def test_an_answer_that_does_not_end_is_perhaps(serving: Callable[..., ProviderServer], then: str) -> None:
    server = serving(Answer(then=then))

    outcome = carry(limits=budget(soft_until=now() + 1.5))

    assert outcome == Unknown(Stage.DOT, "timeout")
    assert len(server.requests) == 1


def test_an_endless_answer_is_cut_off(serving: Callable[..., ProviderServer]) -> None:
    serving(Answer(200, b"x" * 1_000_000))

    assert carry() == Unknown(Stage.DOT, "too_long")


@pytest.mark.parametrize("provider", ["resend", "amazon_ses"])
def test_a_refused_connection_is_certainly_not_sent(settings: Any, provider: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.PROVIDER_API_URLS = {provider: f"http://127.0.0.1:{nobody.getsockname()[1]}/"}

        outcome = carry(provider)

    assert isinstance(outcome, Deferred), outcome
    assert (outcome.stage, outcome.reason, outcome.failure) == (
        Stage.CONNECT, "unreachable", FailureClass.TRANSIENT_DEST,
    )  # fmt: skip


def test_a_line_is_kept_between_letters_and_not_after_trouble(serving: Callable[..., ProviderServer]) -> None:
    server = serving(TAKEN["resend"], TAKEN["resend"], Answer(500), TAKEN["resend"])

    for _letter in range(4):
        carry()

    assert (len(server.requests), server.connections) == (4, 2)


def test_a_changed_key_opens_a_line_of_its_own(serving: Callable[..., ProviderServer]) -> None:
    server = serving(TAKEN["resend"])

    carry()
    carry(api_key="another")

    keys = [one.headers["Authorization"] for one in server.requests]
    assert keys == [f"Bearer {KEY}", "Bearer another"]


@pytest.mark.parametrize("options", [{"api_key": ""}, {"region": "mars"}])
def test_an_account_that_is_not_complete_sends_nothing(
    serving: Callable[..., ProviderServer], options: dict[str, str]
) -> None:
    server = serving()
    configured.PROVIDER_API_URLS.clear()

    outcome = carry("mailgun", **options)

    assert isinstance(outcome, Deferred)
    assert (outcome.reason, server.requests) == ("not_configured", [])


def test_a_letter_is_counted_like_any_other(serving: Callable[..., ProviderServer]) -> None:
    serving(TAKEN["resend"], Answer(500))
    before = connections.counters.letters

    carry()
    carry()

    assert connections.counters.letters == before + 1


def test_no_netrc_of_the_machine_speaks_for_an_account(
    serving: Callable[..., ProviderServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving(TAKEN["resend"])
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin other\npassword secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    carry()

    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("provider", ["resend", "amazon_ses"])
def test_a_key_that_cannot_be_decrypted_sends_nothing(
    serving: Callable[..., ProviderServer], settings: Any, provider: str
) -> None:
    server = serving(TAKEN[provider])
    stored = EncryptedField().from_db_value(encrypt(json.dumps(OPTIONS[provider])))
    settings.ENCRYPTION_KEYS = ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDA="]

    outcome = post_office.carry(replace(config(provider), options=stored), envelope(), budget=budget(), mark=Mark())

    assert isinstance(outcome, Deferred)
    assert (outcome.reason, outcome.counted, server.requests) == ("not_configured", False, [])


def test_a_profile_of_the_machine_is_no_reason_to_fail_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")

    outcome = carry("amazon_ses")

    assert isinstance(outcome, Deferred)
    assert outcome.reason == "not_configured"


def test_no_name_outside_the_list_is_a_provider() -> None:
    for name in ("postal", "sendinblue", "anymail.backends.test", "os.path", "", "../test"):
        assert catalogue.find(name) is None


def test_outside_the_tests_nothing_swallows_letters(settings: Any) -> None:
    settings.TESTING_PROVIDERS_OFFERED = False

    assert catalogue.find("test") is None and catalogue.find("console") is None
    assert "test" not in catalogue.offered()


def test_the_list_leads_to_providers_only() -> None:
    hosts = {
        region.api_url.split("/")[2] for one in catalogue.PROVIDERS.values() for region in one.regions if region.api_url
    }

    assert all(
        region.api_url.startswith("https://")
        for one in catalogue.PROVIDERS.values()
        for region in one.regions
        if region.api_url
    )
    assert hosts == {
        "api.mailgun.net", "api.eu.mailgun.net", "api.mailjet.com", "api.us.mailjet.com", "bulk.api.mailtrap.io",
        "send.api.mailtrap.io", "api.sendgrid.com", "api.eu.sendgrid.com", "api.sparkpost.com", "api.eu.sparkpost.com",
        "go1.unisender.ru", "go2.unisender.ru",
    }  # fmt: skip


def test_secrets_show_in_no_description(serving: Callable[..., ProviderServer]) -> None:
    serving(Answer(401, {"message": f"{'x' * 10} bad key"}))

    line = lines.opened(config())

    assert KEY not in f"{line!r} {config()!r} {carry()!r}"
