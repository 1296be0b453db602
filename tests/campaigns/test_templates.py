"""Templates: kept, changed by one window at a time, copied into campaigns, and nobody else's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.test import Client

from apps.accounts.models import User, Workspace
from apps.campaigns.models import Campaign, Template
from apps.campaigns.rendering import designs
from apps.campaigns.services import drafts, preflight, previews, templates
from apps.contacts.models import Contact, ContactList
from apps.smtp.models import Transport
from core.errors import InvalidTransitionError, NotFoundError

HTMX = {"HX-Request": "true"}
MakeContact = Callable[..., Contact]


@dataclass(frozen=True)
class Parts:
    subject: str = "Snow for {{ first_name or 'you' }}"
    preheader: str = "It fell"
    html: str = '<p>Hello {{ first_name or "there" }}</p>'
    text: str = "Hello"


@pytest.fixture
def template(workspace: Workspace, owner: User) -> Template:
    return templates.create(workspace, by=owner, name="Winter", content=Parts())


@pytest.fixture
def draft(workspace: Workspace, owner: User, transport: Transport, contact_list: ContactList) -> Campaign:
    changes = {"name": "Roast", "subject": "Mine", "from_email": "hello@northlight.example", "transport": transport}
    return drafts.create(workspace, by=owner, changes=changes)


@pytest.fixture
def colleague_client(colleague: User) -> Client:
    client = Client()
    client.force_login(colleague)
    return client


def at(template: Template, page: str = "") -> str:
    return f"/w/northlight/templates/{template.uuid}/{page}"


# --- the service ----------------------------------------------------------------------------------------------------


def test_a_draft_begins_with_a_copy(template: Template, owner: User, transport: Transport) -> None:
    campaign = templates.begin(
        template.workspace, by=owner, name=template.name, content=template, may_write_sender=True
    )
    templates.save(template, changes={"html": "<p>Later</p>"})

    campaign.refresh_from_db()
    assert (campaign.name, campaign.subject, campaign.preheader) == ("Winter", Parts.subject, "It fell")
    assert (campaign.html, campaign.text) == (Parts.html, "Hello")
    assert (campaign.from_email, campaign.transport) == ("ines@northlight.example", transport)


def test_what_is_put_into_a_draft_leaves_its_subject(draft: Campaign, template: Template) -> None:
    templates.put_into(draft, template)

    draft.refresh_from_db()
    assert (draft.subject, draft.preheader, draft.html) == ("Mine", "It fell", Parts.html)


def test_nothing_is_put_into_what_was_sent(draft: Campaign, template: Template) -> None:
    Campaign.objects.filter(pk=draft.pk).update(state="sending", html="<p>Sent</p>")

    with pytest.raises(InvalidTransitionError):
        templates.put_into(draft, template)

    draft.refresh_from_db()
    assert draft.html == "<p>Sent</p>"


def test_a_campaign_is_kept_as_a_template(draft: Campaign, owner: User) -> None:
    drafts.save(draft, changes={"html": "<p>Good</p>", "preheader": "Line"})

    kept = templates.from_campaign(draft, by=owner)

    assert (kept.name, kept.subject, kept.preheader, kept.html) == ("Roast", "Mine", "Line", "<p>Good</p>")
    assert (kept.workspace, kept.created_by) == (draft.workspace, owner)


def test_a_template_without_a_name_is_not_saved(template: Template) -> None:
    with pytest.raises(drafts.FieldError):
        templates.save(template, changes={"name": "  ", "html": "<p>No</p>"})

    template.refresh_from_db()
    assert (template.name, template.html) == ("Winter", Parts.html)


def test_a_second_window_does_not_overwrite_the_first(template: Template) -> None:
    seen = templates.version(template)
    templates.save(template, changes={"html": "<p>First</p>"}, seen=seen)

    with pytest.raises(drafts.ChangedElsewhereError):
        templates.save(template, changes={"html": "<p>Second</p>"}, seen=seen)

    template.refresh_from_db()
    assert template.html == "<p>First</p>"


def test_a_deleted_template_is_not_brought_back(template: Template) -> None:
    templates.delete(Template.objects.get(pk=template.pk))

    with pytest.raises(NotFoundError):
        templates.save(template, changes={"html": "<p>Ghost</p>"})

    assert not Template.objects.exists()


def test_a_copy_is_its_own(template: Template, owner: User) -> None:
    copy = templates.duplicate(template, by=owner)
    templates.save(copy, changes={"html": "<p>Other</p>"})

    template.refresh_from_db()
    assert (copy.name, template.html) == ("Winter, copy", Parts.html)
    assert copy.uuid != template.uuid


@pytest.mark.parametrize("design", designs.DESIGNS, ids=lambda design: design.key)
def test_a_campaign_that_begins_with_a_design_lacks_nothing_of_its_content(
    design: designs.Design,
    workspace: Workspace,
    owner: User,
    transport: Transport,
    contact_list: ContactList,
    make_contact: MakeContact,
) -> None:
    make_contact("ann@example.com")
    source = templates.source_of_design(design, workspace, from_email=owner.email)
    campaign = templates.begin(workspace, by=owner, name=str(design.name), content=source, may_write_sender=True)
    drafts.save_audience(campaign, lists=[contact_list], excluded=[])

    report = preflight.inspect(campaign)

    assert report.to_fix == []
    assert [check.code for check in report.to_check] == ["local_inbox"]


# --- the pages ------------------------------------------------------------------------------------------------------


def test_the_gallery_shows_both_kinds(owner_client: Client, template: Template) -> None:
    html = owner_client.get("/w/northlight/templates/").content.decode()

    assert html.count("<iframe sandbox") == 7
    assert "Winter" in html and "Event invitation" in html
    assert f"{at(template, 'preview/')}?light=light&amp;v=" in html


def test_the_gallery_goes_on_where_it_stopped(owner_client: Client, workspace: Workspace, owner: User) -> None:
    for number in range(14):
        templates.create(workspace, by=owner, name=f"Letter {number:02}", content=Parts())

    first = owner_client.get("/w/northlight/templates/")
    second = owner_client.get(f"/w/northlight/templates/{first.context['next_url']}")

    assert [t.name for t, _v in first.context["own"]][0::11] == ["Letter 13", "Letter 02"]
    assert [t.name for t, _v in second.context["own"]] == ["Letter 01", "Letter 00"]
    assert (second.context["shown"], second.context["next_url"]) == (14, "")


def test_a_viewer_looks_and_changes_nothing(colleague_client: Client, template: Template) -> None:
    html = colleague_client.get("/w/northlight/templates/").content.decode()
    answers = [colleague_client.post(at(template, page)).status_code for page in ("use/", "duplicate/", "delete/", "")]

    assert "New template" not in html and "design_use" not in html and ">Use<" not in html
    assert colleague_client.get(at(template, "preview/")).status_code == 200
    assert answers == [403] * 4
    assert Template.objects.count() == 1


def test_a_thumbnail_can_do_nothing_and_may_be_kept(owner_client: Client, template: Template) -> None:
    templates.save(template, changes={"html": "<p>Hello {{ first_name }}</p><script>alert(1)</script>"})

    for path in (at(template, "preview/?v=1"), "/w/northlight/templates/designs/preview/?design=event&v=1"):
        reply = owner_client.get(path)
        assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert reply.headers["Cache-Control"] == "private, max-age=86400"
    assert "Hello Marta" in owner_client.get(at(template, "preview/")).content.decode()


def test_what_a_person_sees_is_not_kept(owner_client: Client, template: Template, make_contact: MakeContact) -> None:
    ann = make_contact("ann@example.com", first_name="Ann")

    reply = owner_client.get(at(template, f"preview/?v=1&contact={ann.uuid}"))

    assert "Hello Ann" in reply.content.decode()
    assert reply.headers["Cache-Control"] == "private, no-store"


def test_a_broken_template_says_so_in_its_thumbnail(owner_client: Client, template: Template) -> None:
    templates.save(template, changes={"html": "{% if %}"})

    reply = owner_client.get(at(template, "preview/?v=1"))

    assert "line 1" in reply.content.decode()
    assert reply.headers["Cache-Control"] == "private, no-store"


def test_a_template_begins_a_campaign(owner_client: Client, template: Template, transport: Transport) -> None:
    reply = owner_client.post(at(template, "use/"))

    campaign = Campaign.objects.get()
    assert reply.headers["Location"] == f"/w/northlight/campaigns/{campaign.pk}/settings/"
    assert campaign.html == Parts.html


def test_a_draft_chooses_what_it_begins_with(owner_client: Client, draft: Campaign) -> None:
    page = owner_client.get(f"/w/northlight/templates/?for={draft.pk}").content.decode()
    reply = owner_client.post("/w/northlight/templates/designs/use/", {"design": "event", "campaign": draft.pk})

    draft.refresh_from_db()
    assert f'name="campaign" value="{draft.pk}"' in page
    assert reply.headers["Location"] == f"/w/northlight/campaigns/{draft.pk}/content/"
    assert "You are invited" in draft.html and "1 Harbour Road, Leith" in draft.html
    assert draft.subject == "Mine"
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize(("part", "is_told"), [("html", True), ("text", True), ("subject", False)])
@pytest.mark.parametrize("page", ["", "designs/"])
def test_what_will_be_replaced_is_told_wherever_it_is_chosen(
    owner_client: Client, draft: Campaign, page: str, part: str, is_told: bool
) -> None:
    drafts.save(draft, changes={part: "Written"})

    html = owner_client.get(f"/w/northlight/templates/{page}?design=event&for={draft.pk}").content.decode()

    assert ("What is written in it now is replaced." in html) is is_told


def test_another_workspaces_draft_cannot_be_named(
    owner_client: Client, stranger: User, template: Template, workspace: Workspace
) -> None:
    theirs = Campaign.objects.create(workspace=stranger.workspaces.get(), name="Theirs")

    for path in (at(template, "use/"), "/w/northlight/templates/designs/use/"):
        reply = owner_client.post(path, {"design": "event", "campaign": theirs.pk})
        assert reply.status_code == 404
    assert owner_client.get(f"/w/northlight/templates/?for={theirs.pk}").status_code == 404
    theirs.refresh_from_db()
    assert theirs.html == ""


def test_a_design_that_does_not_exist_is_not_found(owner_client: Client, workspace: Workspace) -> None:
    base = "/w/northlight/templates/designs/"

    assert owner_client.get(f"{base}?design=../../../etc/passwd").status_code == 404
    assert owner_client.get(f"{base}preview/?design=x").status_code == 404
    assert owner_client.post(f"{base}use/", {"design": "x"}).status_code == 404
    assert owner_client.post(f"{base}keep/", {}).status_code == 404


def test_a_design_is_copied_and_written_on(owner_client: Client, workspace: Workspace) -> None:
    owner_client.post("/w/northlight/templates/designs/keep/", {"design": "letter"})
    template = Template.objects.get()

    html = owner_client.get(at(template)).content.decode()

    assert template.name == "Plain letter"
    assert "1 Harbour Road, Leith" in template.html
    assert "https://northlight.example/" in template.html, "the site is the sender's"
    assert "data-code" in html


def test_every_change_of_a_template_is_saved(owner_client: Client, template: Template) -> None:
    form = {"name": "", "subject": "S", "preheader": "", "html": "<p>a</p>\r\n", "text": "", "autosave": "1"}

    reply = owner_client.post(at(template), {**form, "seen": templates.version(template)}, headers=HTMX)

    template.refresh_from_db()
    assert reply.headers["HX-Trigger"] == "saved"
    assert (template.name, template.subject, template.html) == ("Winter", "S", "<p>a</p>\n"), "nonsense is left out"


def test_a_template_that_is_too_long_is_not_called_saved(owner_client: Client, template: Template) -> None:
    form = {"name": "Winter", "subject": "Kept", "preheader": "", "html": "x" * 1_000_001, "text": "", "autosave": "1"}

    reply = owner_client.post(at(template), {**form, "seen": templates.version(template)}, headers=HTMX)

    template.refresh_from_db()
    html = reply.content.decode()
    assert (reply.status_code, template.subject, template.html) == (422, "Kept", Parts.html)
    assert 'data-refused="html">Not saved: The HTML is longer than 1,000,000 characters.' in html
    assert "Saved" not in html and "<html" not in html
    assert f'value="{templates.version(template)}"' in html, "the next change is not taken for a second window's"


def test_a_template_is_saved_except_for_its_name(owner_client: Client, template: Template) -> None:
    form = {"name": " ", "subject": "Kept", "preheader": "", "html": "<p>a</p>", "text": "", "autosave": "1"}

    reply = owner_client.post(at(template), {**form, "seen": templates.version(template)}, headers=HTMX)

    assert reply.status_code == 422
    assert 'data-refused="name">Saved, except: Name<' in reply.content.decode()


def test_a_template_is_thrown_away_after_a_question(owner_client: Client, template: Template) -> None:
    asked = owner_client.get(at(template, "delete/")).content.decode()
    assert Template.objects.exists() and "Delete this template?" in asked

    owner_client.post(at(template, "delete/"))

    assert not Template.objects.exists()


def test_a_finished_campaign_can_be_kept_as_a_template(draft: Campaign, owner: User) -> None:
    Campaign.objects.filter(pk=draft.pk).update(state="finished", html="<p>Sent</p>")
    draft.refresh_from_db()

    assert templates.from_campaign(draft, by=owner).html == "<p>Sent</p>"


def test_a_template_is_seen_as_somebody_made_up(template: Template) -> None:
    assert "Hello Marta" in previews.of_template(template, None).html
