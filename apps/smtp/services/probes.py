"""Tests a sending account: a real connection up to the sign-in, and the stage that failed in plain words."""

from __future__ import annotations

import dataclasses
import time
from functools import partial

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.smtp import bounces, dialing
from apps.smtp.budget import StageCaps, now
from apps.smtp.config import TransportConfig
from apps.smtp.handshake import ConnectionFailedError, Resolve, as_given, establish
from apps.smtp.models import Transport
from apps.smtp.outcome import Deferred, Reply, Stage
from apps.smtp.replies import BrokenLineError
from apps.smtp.services import breaker, configs, inquiries
from apps.smtp.services.probe import Probe

PATIENCE_SECONDS = 15.0
_CAPS = StageCaps(**{field.name: 10.0 for field in dataclasses.fields(StageCaps)})
# These say alike what kind of host a name leads to, so that nobody can ask us about the inside of our network.
_NOT_DIALLED = frozenset({"address_refused", "dns"})


def probe(transport: Transport, *, lookup: dialing.Lookup = dialing.system_lookup) -> Probe:
    """Connect, encrypt, sign in, say goodbye; keep with the account what was found."""
    config = configs.read(transport)
    found = inquiries.inquire(config) if config.kind == "provider" else connect(config, lookup=lookup)
    if not found.is_proof:
        return found
    Transport.objects.filter(pk=transport.pk).update(
        tested_at=Now(),
        tested_ms=found.milliseconds,
        tested_stage=found.stage.value if found.stage else "",
        tested_text="" if found.is_good else found.words[:500],
    )
    if found.is_good:
        breaker.heal(transport.pk)
    return found


def connect(config: TransportConfig, *, lookup: dialing.Lookup = dialing.system_lookup) -> Probe:
    """Try the way to an SMTP server; sends nothing."""
    resolve: Resolve = as_given
    if config.kind != "local_inbox":
        resolve = partial(dialing.addresses, private_hosts=settings.PRIVATE_SMTP_HOSTS, lookup=lookup)
    begun = time.monotonic()
    until = now() + PATIENCE_SECONDS
    try:
        line, _extensions = establish(config, offer_until=until, caps=_CAPS, resolve=resolve)
    except ConnectionFailedError as failed:
        return _failed(failed.outcome, config)
    try:
        reply = line.ask(Stage.RESET, b"NOOP\r\n", until=min(until, now() + _CAPS.reset))
    except BrokenLineError as broken:
        return _failed(bounces.interrupted(Stage.RESET, broken.code), config)
    finally:
        line.part()
    took = int((time.monotonic() - begun) * 1000)
    if reply.code != 250:
        return Probe(Stage.RESET, _words_at_the_end(), str(reply), took)
    words = _("Connected, encrypted and signed in.") if config.tls != "none" else _("Connected.")
    return Probe(None, words, milliseconds=took)


def _failed(outcome: Deferred, config: TransportConfig) -> Probe:
    return Probe(outcome.stage, words_for(outcome, config), _shown(outcome.reply))


def _shown(reply: Reply | None) -> str:
    return str(reply) if reply else ""


def words_for(outcome: Deferred, config: TransportConfig) -> str:
    """Say in plain words what went wrong before a letter was offered, and what to do."""
    if outcome.reason in _NOT_DIALLED:
        return _("No public mail server is known under this host name. Check its spelling.")
    match outcome.stage:
        case Stage.CONNECT:
            return _(
                "The server does not answer on port %(port)d. Check host and port, and whether a firewall keeps this "
                "machine from connecting."
            ) % {"port": config.port}
        case Stage.BANNER:
            return _banner_words(outcome, config)
        case Stage.EHLO:
            return _("The server answered, but refused our greeting.")
        case Stage.STARTTLS:
            return _encryption_words(outcome, config)
        case Stage.AUTH:
            return _sign_in_words(outcome)
        case _:
            return _words_at_the_end()


def _banner_words(outcome: Deferred, config: TransportConfig) -> str:
    if outcome.reply:
        return _("The server answered, but does not want to talk to us now.")
    if config.tls == "tls":
        return _("Something answered, but not as a mail server does. Try another port, or STARTTLS.")
    return _("Something answered, but not as a mail server does. If the port is 465, choose TLS from the start.")


def _encryption_words(outcome: Deferred, config: TransportConfig) -> str:
    if outcome.reason == "starttls_not_offered":
        return _("The server does not offer STARTTLS on this port. Choose TLS from the start, often on port 465.")
    if outcome.reason == "tls":
        return _("The encryption failed: the certificate is not valid for %(host)s, or its protocol is too old.") % {
            "host": config.host
        }
    if config.tls == "tls":
        return _("The server does not speak TLS from the start on this port. Try STARTTLS, often on port 587.")
    return _("The server offered STARTTLS and then did not begin it.")


def _sign_in_words(outcome: Deferred) -> str:
    if outcome.reason == "auth_not_offered":
        return _("The server offers no sign-in that we know (PLAIN or LOGIN). Another port may, often 587.")
    if outcome.reply is None:
        return _("The server hung up while we signed in.")
    if outcome.reply.code >= 500:
        return _("The server refuses this user name and password.")
    return _("The server cannot check the password at the moment. Try again in a minute.")


def _words_at_the_end() -> str:
    return _("Signed in, but then the server broke off.")
