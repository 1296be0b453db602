"""What a sending account carried lately, as a part of its page."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import WorkspaceRequest, may, within
from apps.campaigns import carried
from apps.smtp.models import Transport


@may("workspace.view")
@require_safe
def week(request: WorkspaceRequest, transport_uuid: uuid.UUID) -> HttpResponse:
    """Show how much it carried and how much of it was refused."""
    transport = within(request.workspace, Transport.objects.all(), uuid=transport_uuid)
    return render(request, "campaigns/account_week.html", {"week": carried.week(transport)})
