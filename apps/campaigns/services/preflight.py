"""Everything that is looked at before a campaign leaves: what to fix first, what to check, what is in order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from django.db.models import CharField, Count, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.campaigns import rendering, selectors
from apps.campaigns.models import Campaign
from apps.campaigns.rendering import sandbox
from apps.campaigns.services import audience, lifecycle
from apps.smtp.services import signing_keys
from core.errors import EspError

Level = Literal["bad", "warn", "ok"]
Step = Literal["settings", "audience", "content", "address", "footer", "domains", ""]
_ORDER: dict[Level, int] = {"bad": 0, "warn": 1, "ok": 2}
_OWN_COLUMNS = {"email": Q(email=""), "first_name": Q(first_name=""), "last_name": Q(last_name="")}
_NOT_FIELDS = frozenset(["unsubscribe_url", "view_url", "preferences_url"])
_ASKED = re.compile(r"\{\{-?(.*?)-?\}\}|\{%-?\s*(?:el)?if\b(.*?)-?%\}", re.DOTALL)
_FALLBACK = re.compile(r"\|\s*(?:default|d)\b|\bor\b|\bif\b")
# Where a counted link stands in a frozen version.
_LINK_SLOT = re.compile(r"\{\{ _c(\d+) \}\}")
MAX_FIELDS = 20

# Where each finding about the content is put right; the others belong to the content step.
_STEPS: dict[str, Step] = {
    "empty_subject": "settings",
    "subject_too_long": "settings",
    "no_preheader": "settings",
    "no_sender_name": "settings",
    "bad_sender": "settings",
    "placeholder_in_sender": "settings",
    "missing_unsubscribe": "footer",
    "missing_postal_address": "footer",
    "no_postal_address": "address",
}
# What can be said about a campaign without content.
_BESIDE_CONTENT = frozenset(code for code, step in _STEPS.items() if step in ("settings", "address"))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: the fact, what it means, and where it is put right."""

    code: str
    level: Level
    title: str
    detail: str = ""
    step: Step = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, the worst first, and who would get the campaign now."""

    checks: tuple[Check, ...]
    forecast: audience.Forecast

    def of(self, level: Level) -> list[Check]:
        """Return the checks of one level."""
        return [check for check in self.checks if check.level == level]

    @property
    def to_fix(self) -> list[Check]:
        """What stops the campaign."""
        return self.of("bad")

    @property
    def to_check(self) -> list[Check]:
        """What its author should know."""
        return self.of("warn")

    @property
    def in_order(self) -> list[Check]:
        """What is as it should be."""
        return self.of("ok")

    @property
    def may_go(self) -> bool:
        """Whether nothing stops it."""
        return not self.to_fix


def inspect(campaign: Campaign) -> Report:
    """Look at everything; changes nothing."""
    lists = list(campaign.lists.values_list("pk", flat=True))
    excluded = list(campaign.excluded_lists.values_list("pk", flat=True))
    forecast = audience.forecast(campaign.workspace_id, list_ids=lists, excluded_list_ids=excluded)
    checks = [
        *_of_account(campaign),
        *_of_audience(lists, forecast),
        *_of_sender(campaign),
        *_of_signature(campaign),
        *_of_content(campaign),
        *_of_repeated_links(campaign),
        *_of_fields(campaign, lists, excluded),
    ]
    return Report(tuple(sorted(checks, key=lambda check: _ORDER[check.level])), forecast)


def _of_account(campaign: Campaign) -> Iterator[Check]:
    try:
        lifecycle.check_transport(campaign)
    except EspError as error:
        yield Check(error.code, "bad", _("The sending account is not ready"), error.message, "settings")
        return
    if campaign.transport and campaign.transport.is_local_inbox:
        detail = _("Every email lands in the local inbox of this workspace, where you can look at it.")
        yield Check("local_inbox", "warn", _("Local inbox: nobody outside receives this"), detail, "settings")
    else:
        yield Check("transport", "ok", _("The sending account is switched on"))
        yield Check("public_url", "ok", _("Links lead to an https address"))


def _of_audience(lists: list[int], forecast: audience.Forecast) -> Iterator[Check]:
    if not lists:
        yield Check("no_list", "bad", _("Nobody is chosen yet"), _("Choose at least one list."), "audience")
    elif not forecast.audience:
        detail = _("Everyone on the chosen lists is left out for a reason. The audience step says who and why.")
        yield Check("no_audience", "bad", _("Nobody would get it"), detail, "audience")
    else:
        yield Check("audience", "ok", _("The audience is chosen"))


def _of_sender(campaign: Campaign) -> Iterator[Check]:
    if not campaign.from_email:
        detail = _("Write the address that readers see and answer to.")
        yield Check("no_from_address", "bad", _("There is no from address"), detail, "settings")
    else:
        yield Check("sender", "ok", _("The sender has an address"))


def _of_signature(campaign: Campaign) -> Iterator[Check]:
    domain, account = signing_keys.domain_of(campaign.from_email), campaign.transport
    if not domain or account is None or account.is_provider or account.is_local_inbox:
        return  # a provider signs by itself, and in the local inbox nobody verifies
    if signing_keys.is_published(campaign.workspace_id, campaign.from_email):
        yield Check("signed", "ok", _("Emails are signed by %(domain)s") % {"domain": domain})
    elif signing_keys.is_signed(campaign.workspace_id, campaign.from_email):
        title = _("Emails are signed by %(domain)s, but the key's record was not found") % {"domain": domain}
        detail = _("Mail services take them for ones that are not signed, and may refuse them. Publish the record.")
        yield Check("signed_unpublished", "warn", title, detail, "domains")
    else:
        title = _("Emails from %(domain)s are not signed") % {"domain": domain}
        detail = _(
            "No key of this domain signs here. Unless your server signs by itself, mail services may refuse them."
        )
        yield Check("unsigned", "warn", title, detail, "domains")


def _of_content(campaign: Campaign) -> Iterator[Check]:
    found = rendering.findings(lifecycle.source_of(campaign))
    if not campaign.html.strip():
        # Without content nothing else of it can be looked at: one fact, one line.
        empty = rendering.ContentError.of("empty_body")
        found = [
            rendering.Finding(empty.code, "blocks", empty.message),
            *(f for f in found if f.code in _BESIDE_CONTENT),
        ]
    codes = {finding.code for finding in found}
    for finding in found:
        if finding.code == "bad_sender" and not campaign.from_email:
            continue  # said by `_of_sender`
        title, _dot, detail = finding.message.partition(". ")
        title = title if detail else title.removesuffix(".")
        level: Level = "bad" if finding.level == "blocks" else "warn"
        yield Check(finding.code, level, title, detail, _STEPS.get(finding.code, "content"))
    for wrong, code, words in (
        ({"empty_subject", "subject_too_long"}, "subject", _("The subject is written")),
        ({"missing_unsubscribe", "empty_body"}, "unsubscribe", _("Unsubscribing takes one click")),
        ({"missing_postal_address", "no_postal_address", "empty_body"}, "address", _("Your postal address is shown")),
        ({"html_too_large", "empty_body"}, "size", _("The size is below what Gmail clips")),
        ({"active_content", "empty_body"}, "active", _("No scripts or forms")),
        ({"images_without_alt", "insecure_images", "empty_body"}, "images", _("Images have words and https addresses")),
        (
            {"relative_links", "doubtful_links", "broken_links", "local_links", "forbidden_link", "empty_body"},
            "links",
            _("Links are complete"),
        ),
    ):
        if not wrong & codes:
            yield Check(code, "ok", words)


def _of_repeated_links(campaign: Campaign) -> Iterator[Check]:
    try:
        html = sandbox.build(lifecycle.source_of(campaign), ()).frozen.html
    except rendering.ContentError:
        return
    again = sum(count > 1 for count in Counter(_LINK_SLOT.findall(html)).values())
    if again:
        words = ngettext(
            "%(n)s address is linked more than once; its clicks are counted together",
            "%(n)s addresses are linked more than once; their clicks are counted together",
            again,
        )
        yield Check("repeated_links", "ok", words % {"n": again})


def _of_fields(campaign: Campaign, lists: list[int], excluded: list[int]) -> Iterator[Check]:
    bare = bare_fields(campaign)
    if not bare or not lists:
        return
    empty = _count_empty(campaign, bare, lists, excluded)
    for name, count in empty.items():
        if count:
            title = ngettext(
                "%(n)s person would read a sentence with a hole in it",
                "%(n)s people would read a sentence with a hole in it",
                count,
            ) % {"n": formats.number_format(count, force_grouping=True)}
            detail = _('The field %(field)s is empty for them and has no default, like {{ %(field)s or "there" }}.')
            yield Check(f"empty_field_{name}", "warn", title, detail % {"field": name}, "content")
    if not any(empty.values()):
        yield Check("fields", "ok", _("Every field is filled or has a default"))


def bare_fields(campaign: Campaign) -> list[str]:
    """Return the fields that the content shows without a default, by name; none while the content has errors."""
    try:
        # As `rendering.findings` does it, so that the child process runs once for both.
        asked = sandbox.build(lifecycle.source_of(campaign), ()).names
    except rendering.ContentError:
        return []
    return without_fallback(lifecycle.source_of(campaign), {name for part in asked.values() for name in part})


def without_fallback(source: rendering.Source, names: Collection[str]) -> list[str]:
    """Return which of these fields the content shows as they are, empty or not."""
    written = "\n".join((source.subject, source.preheader, source.html, source.text))
    pieces = [(found[1] or "", found[2] or "") for found in _ASKED.finditer(written)]
    return [name for name in sorted(set(names) - _NOT_FIELDS) if _is_bare(name, pieces)][:MAX_FIELDS]


def _is_bare(name: str, pieces: list[tuple[str, str]]) -> bool:
    word = re.compile(rf"\b{re.escape(name)}\b")
    if any(word.search(condition) for _shown, condition in pieces):
        return False  # its author has thought of people without it
    return any(word.search(shown) and not _FALLBACK.search(shown) for shown, _condition in pieces)


def _count_empty(campaign: Campaign, names: list[str], lists: list[int], excluded: list[int]) -> dict[str, int]:
    people = selectors.readers(campaign.workspace, list_ids=lists, excluded_list_ids=excluded).order_by()
    people = people.annotate(
        **{f"value_{number}": _value(name) for number, name in enumerate(names) if name not in _OWN_COLUMNS}
    )
    counts = people.aggregate(
        **{f"empty_{number}": Count("pk", filter=_is_empty(number, name)) for number, name in enumerate(names)}
    )
    return {name: counts[f"empty_{number}"] for number, name in enumerate(names)}


def _value(name: str) -> Cast:
    return Cast(KeyTextTransform(name, "attributes"), CharField())


def _is_empty(number: int, name: str) -> Q:
    if name == "name":
        return Q(first_name="", last_name="")
    return _OWN_COLUMNS.get(name) or Q(**{f"value_{number}": ""}) | Q(**{f"value_{number}__isnull": True})
