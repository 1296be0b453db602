"""The only way in: every page of a workspace passes `may`, and every object is found within its workspace."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from apps.accounts import roles
from apps.accounts.models import Membership, User, Workspace

M = TypeVar("M", bound=Model)


class WorkspaceRequest(HttpRequest):
    """A request that has been let into a workspace."""

    user: User
    workspace: Workspace
    membership: Membership
    htmx: HtmxDetails

    def may(self, permission: str) -> bool:  # pragma: no cover - replaced by `may` below
        """Return whether the member's role carries the permission."""
        raise NotImplementedError


View = Callable[..., HttpResponseBase]


def may(permission: str) -> Callable[[View], View]:
    """Let only members through whose role carries the permission.

    The view gets `request.workspace`; strangers get 404 (they cannot tell a workspace exists), members without
    the right 403. Anonymous people are sent to sign in.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @login_required
        def entered(request: HttpRequest, workspace_slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            membership = (
                Membership.objects.select_related("workspace")
                .filter(user__pk=request.user.pk or 0, workspace__slug=workspace_slug)
                .first()
            )
            if membership is None:
                raise Http404
            if not roles.allows(membership.role, permission):
                raise PermissionDenied
            request.workspace = membership.workspace  # type: ignore[attr-defined]  # this is what makes it a WorkspaceRequest
            request.membership = membership  # type: ignore[attr-defined]
            request.may = lambda wanted: roles.allows(membership.role, wanted)  # type: ignore[attr-defined]
            with timezone.override(_zone_of(membership.workspace)):
                return view(request, *args, **kwargs)

        entered.required_permission = permission  # type: ignore[attr-defined]  # read by the test that walks all routes
        return entered

    return decorate


def _zone_of(workspace: Workspace) -> zoneinfo.ZoneInfo:
    """Return the zone in which a workspace's times are shown and typed; UTC where its name means nothing here."""
    try:
        return zoneinfo.ZoneInfo(workspace.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def within(workspace: Workspace, queryset: QuerySet[M], **lookup: Any) -> M:
    """Return one object of this workspace.

    Raises:
        Http404: it does not exist, or belongs to somebody else: the two look the same.
    """
    found = queryset.filter(workspace=workspace, **lookup).first()
    if found is None:
        raise Http404
    return found
