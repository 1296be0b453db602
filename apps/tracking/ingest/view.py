"""A letter in the browser: what the recipient got, in a page that can run nothing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.campaigns import rendering
from apps.campaigns.models import ContentVersion
from apps.campaigns.services import composing
from apps.contacts.models import Contact
from apps.tracking.ingest import doors, rates
from apps.tracking.letters import Letter
from apps.tracking.models import Event
from apps.tracking.services import recording

# Links may open tabs of their own; scripts, forms and the page's origin are off (CSP3 sandbox).
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "img-src 'self' https: data:; style-src 'unsafe-inline'"
)


@doors.public
@require_safe
def view(request: HttpRequest, token: str) -> HttpResponse:
    """Show the letter as it was written for this person."""
    if rates.is_over(request, rates.OF_PAGES):
        return doors.busy(request)
    letter = doors.letter_of("view", token)
    if letter is None:
        return doors.nothing(request)
    try:
        html = _html(letter)
    except rendering.RenderError:
        return doors.nothing(request)
    recording.record(letter, Event.Kind.VIEW, fetch=recording.fetch_of(request, letter))
    response = HttpResponse(html)
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _html(letter: Letter) -> str:
    frozen = rendering.Frozen.from_json(
        ContentVersion.objects.values_list("frozen", flat=True).get(pk=letter.content_id)
    )
    contact = Contact.objects.filter(pk=letter.contact_id or 0).first()
    fields = {
        **(contact.merge_fields() if contact else {"first_name": "", "last_name": "", "name": ""}),
        "email": letter.email,
    }
    urls = composing.urls_of(letter.delivery_id)
    own = {"unsubscribe_url": urls.unsubscribe, "view_url": urls.view, "preferences_url": urls.preferences}
    return rendering.preview(frozen, fields, urls=own).html
