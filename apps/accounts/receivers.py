"""Listens to signing in and out, and to new passwords."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from apps.accounts import audit, sessions
from apps.accounts.models import User


@receiver(user_logged_in)
def note_sign_in(sender: object, request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """Mark the session with where it began."""
    sessions.mark(request)
    audit.note("signed_in", by=user)


@receiver(user_logged_out)
def note_sign_out(sender: object, request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    """Note who left."""
    if user is not None:
        audit.note("signed_out", by=user)


@receiver(user_login_failed)
def note_refusal(sender: object, credentials: dict[str, Any], **_kwargs: Any) -> None:
    """Note a wrong password for an account that exists; allauth's limits bound how many."""
    email = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(email__iexact=email).first() if email else None
    if user is not None:
        audit.note("sign_in_failed", by=user)


@receiver([password_changed, password_set])
def end_other_sessions(sender: object, request: HttpRequest, user: User, **_kwargs: Any) -> None:
    """Sign the person out everywhere else."""
    sessions.end_others(user, here=request.session)
    audit.note("password_changed", by=user)


@receiver(password_reset)
def end_all_sessions(sender: object, user: User, **_kwargs: Any) -> None:
    """Sign out whoever knew the old password."""
    sessions.end_others(user)
    audit.note("password_reset", by=user)
