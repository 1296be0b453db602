"""What programs can read so far: the workspace behind their key, and its campaigns with their accounts."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _

from apps.accounts.services.api_keys import Caller
from apps.api.access import keyed
from apps.api.problems import ProblemError
from apps.campaigns import selectors

PAGE = 50


@keyed(None)
def workspace(_request: HttpRequest, caller: Caller) -> JsonResponse:
    """Say whose key this is and what it carries: `{slug, name, time_zone, scopes}`."""
    found = caller.workspace
    told = {"slug": found.slug, "name": found.name, "time_zone": found.time_zone, "scopes": sorted(caller.scopes)}
    return JsonResponse(told)


@keyed("campaigns.view")
def campaigns(request: HttpRequest, caller: Caller) -> JsonResponse:
    """List campaigns, newest first: `{campaigns: [{id, name, state, account}], next}`; `next` goes into `?before=`."""
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise ProblemError(400, _("`before` is the number that the last page gave as `next`."), code="before")
    found = selectors.campaigns_of(caller.workspace).order_by("-pk")
    page = list(found.filter(pk__lt=int(before))[:PAGE] if before else found[:PAGE])
    accounts = selectors.accounts(page)
    rows = [{"id": one.pk, "name": one.name, "state": one.state, "account": asdict(accounts[one.pk])} for one in page]
    return JsonResponse({"campaigns": rows, "next": page[-1].pk if len(page) == PAGE else None})


@keyed(None)
def nothing(_request: HttpRequest, _caller: Caller, rest: str) -> JsonResponse:
    """Answer for addresses that do not exist, as a problem and not as a page."""
    raise ProblemError(404, _("There is nothing at this address."), code="not_found")
