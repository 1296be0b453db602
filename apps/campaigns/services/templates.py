"""Templates: kept, changed, copied, thrown away, and what begins with one; campaigns copy, so none changes later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.campaigns import rendering
from apps.campaigns.models import Campaign, Template
from apps.campaigns.rendering import designs
from apps.campaigns.services import drafts
from core.errors import NotFoundError

CONTENT = ("subject", "preheader", "html", "text")
FIELDS = ("name", *CONTENT)


class Written(Protocol):
    """Anything with the four parts of a letter: a template, a campaign, a source."""

    @property
    def subject(self) -> str:
        """What stands in the inbox."""

    @property
    def preheader(self) -> str:
        """What stands after the subject."""

    @property
    def html(self) -> str:
        """The source."""

    @property
    def text(self) -> str:
        """The text version; empty where it is made from the source."""


def source_of(template: Template) -> rendering.Source:
    """Return a template as the renderer takes it; who sends it is only known by its campaign."""
    return rendering.Source(
        subject=template.subject,
        preheader=template.preheader,
        html=template.html,
        text=template.text,
        from_name=template.workspace.name,
        from_email="hello@example.com",
        reply_to="",
        postal_address=template.workspace.postal_address,
    )


def source_of_design(design: designs.Design, workspace: Workspace, *, from_email: str = "") -> rendering.Source:
    """Return a built-in design with the workspace's name and postal address in their places."""
    domain = from_email.rpartition("@")[2] or "example.com"
    return designs.written(
        design,
        from_name=workspace.name,
        from_email=from_email or "hello@example.com",
        postal_address=workspace.postal_address,
        site_url=f"https://{domain}",
    )


def version(template: Template) -> str:
    """Return what changes with every save of a template."""
    return template.updated_at.isoformat()


def problems(changes: Mapping[str, object]) -> dict[str, str]:
    """Return, for each field that makes no sense, a sentence that says why."""
    if "name" in changes and not str(changes["name"]).strip():
        return {"name": _("Give the template a name.")}
    return {}


def create(workspace: Workspace, *, by: User | None, name: str, content: Written) -> Template:
    """Return a new template with this content."""
    parts = {part: getattr(content, part) for part in CONTENT}
    template = Template.objects.create(workspace=workspace, created_by=by, name=name[:200], **parts)
    template.refresh_from_db()
    return template


def from_design(workspace: Workspace, *, by: User, design: designs.Design, from_email: str = "") -> Template:
    """Return a template that begins as a built-in design; its links lead to the site of this address."""
    source = source_of_design(design, workspace, from_email=from_email)
    return create(workspace, by=by, name=str(design.name), content=source)


def from_campaign(campaign: Campaign, *, by: User) -> Template:
    """Return a template with a campaign's content as it stands."""
    return create(campaign.workspace, by=by, name=campaign.name, content=campaign)


def duplicate(template: Template, *, by: User) -> Template:
    """Return a copy."""
    name = _("%(name)s, copy") % {"name": template.name}
    return create(template.workspace, by=by, name=name, content=template)


def save(template: Template, *, changes: Mapping[str, object], seen: str = "") -> None:
    """Write these parts into a template.

    Args:
        seen: the template's `version` as the page knew it; when given, one that was saved since is left alone.

    Raises:
        FieldError, ChangedElsewhereError, NotFoundError: nothing was saved.
    """
    if wrong := problems(changes):
        raise drafts.FieldError(wrong)
    with _held(template, seen) as locked:
        fields = [name for name in FIELDS if name in changes]
        for name in fields:
            setattr(locked, name, changes[name])
        locked.updated_at = Now()  # the database writes its own time
        locked.save(update_fields=[*fields, "updated_at"])
    template.refresh_from_db()


def add_footer(template: Template) -> None:
    """Put the unsubscribe link and the postal address into a template where they are missing."""
    html, text = rendering.with_footer(template.html, template.text, template.workspace.postal_address)
    save(template, changes={"html": html, "text": text})


def delete(template: Template) -> None:
    """Throw a template away; the campaigns that began with it keep what they copied."""
    Template.objects.filter(pk=template.pk).delete()


def begin(workspace: Workspace, *, by: User, name: str, content: Written, may_write_sender: bool) -> Campaign:
    """Return a new draft with this content and the usual sender, if there is one that its author may begin with."""
    usual = drafts.defaults(workspace, by=by, may_write_sender=may_write_sender)
    parts = {part: getattr(content, part) for part in CONTENT}
    return drafts.create(workspace, by=by, changes={**usual, **parts, "name": name[:200]})


def put_into(campaign: Campaign, content: Written) -> None:
    """Put this content into a draft; a subject that was written stays.

    Raises:
        InvalidTransitionError: it is no longer a draft.
    """
    changes = {
        "html": content.html,
        "text": content.text,
        "subject": campaign.subject or content.subject,
        "preheader": campaign.preheader or content.preheader,
    }
    drafts.save(campaign, changes=changes)


@contextmanager
def _held(template: Template, seen: str) -> Iterator[Template]:
    with transaction.atomic():
        locked = Template.objects.select_for_update().filter(pk=template.pk).first()
        if locked is None:
            raise NotFoundError(_("“%(name)s” was deleted meanwhile.") % {"name": template.name})
        if seen and seen != version(locked):
            raise drafts.ChangedElsewhereError(
                _("This template was changed in another window. Reload the page to see it as it is now.")
            )
        yield locked
