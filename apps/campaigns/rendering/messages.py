"""What is said about content that cannot be sent: one plain sentence per code, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SENTENCES: Mapping[str, Promise] = {
    # a version that cannot be frozen
    "syntax": _(
        "%(part)s, line %(line)s: a placeholder is written wrongly (%(detail)s). "
        "A field looks like {{ first_name }}, a condition like {%% if city %%} … {%% endif %%}."
    ),
    "not_allowed": _("%(part)s, line %(line)s: %(detail)s cannot be used in an email. Remove it."),
    "unknown_filter": _("%(part)s, line %(line)s: there is no filter named “%(detail)s”. Check its spelling."),
    "too_complex": _("%(part)s, line %(line)s: the template is nested too deeply. Use fewer conditions."),
    "source_too_large": _("%(part)s is larger than %(limit)s KB. Shorten it."),
    "too_heavy": _("The content takes too much time or memory to build. Make it smaller or simpler."),
    "sample_failed": _(
        "%(part)s, line %(line)s: the email cannot be built for a contact whose fields are empty or unusual "
        "(%(detail)s). Give the field a default."
    ),
    "loop_too_long": _(
        "%(part)s, line %(line)s: this loop is too long. range() counts to 1,000 at most, "
        "and all loops together may go round 20,000 times."
    ),
    "empty_body": _("The email has no HTML content yet. Write it."),
    "placeholder_in_sender": _("Sender name and addresses must be plain text. Remove the placeholder."),
    "bad_sender": _("“%(detail)s” is not a sender address that can be used. Correct it."),
    "placeholder_place": _(
        "The placeholder %(detail)s stands inside a tag but outside quotes. Put it into a quoted value, "
        'like href="{{ website }}".'
    ),
    "placeholder_attributes": _(
        "A <%(detail)s> tag has the same attribute twice with a condition between. "
        "Put the condition inside the quotes of one attribute."
    ),
    "placeholder_lost": _(
        "The styles cannot be applied around the placeholder %(detail)s. Move it out of the style or tag."
    ),
    "content_lost": _("Part of the HTML cannot be read. Check that its tags are closed and not nested too deeply."),
    "styles": _("The styles of the email cannot be read (%(detail)s). Check the <style> part."),
    "text_not_made": _("The text version cannot be made from this HTML by itself. Write one."),
    "forbidden_link": _("The link “%(detail)s” cannot be sent. Links may start with https:, http:, mailto: or tel:."),
    "recipient_link": _(
        "The link “%(detail)s” belongs to one recipient of an earlier email. "
        "Use {{ unsubscribe_url }} or {{ view_url }} instead."
    ),
    "too_many_links": _("The email has more than %(limit)s different links. Use fewer."),
    # one letter that cannot be built
    "budget": _("The content grows too large or takes too long for this contact (%(detail)s)."),
    "template": _("%(part)s, line %(line)s cannot be filled in for this contact (%(detail)s)."),
    "unsafe": _("%(part)s, line %(line)s: %(detail)s is not allowed."),
    "field_type": _("The field “%(detail)s” holds something that cannot be put into an email."),
    "field_too_long": _("The field “%(detail)s” is too long to be put into an email."),
    "empty_subject": _("The subject is empty for this contact. Give its field a default."),
    "subject_too_long": _("The subject is longer than 998 characters for this contact."),
    "bad_address": _("The address cannot be written into an email."),
    "needs_smtputf8": _("The part before the @ has letters outside ASCII, which mail servers rarely accept."),
    "missing_unsubscribe_url": _("The email has no unsubscribe address for this contact."),
    "missing_unsubscribe_link": _("The email does not show this contact's unsubscribe link."),
    "foreign_token": _("The email holds a link that belongs to another recipient."),
    "bad_header": _("A header of the email is not well formed (%(detail)s)."),
    "bad_list_unsubscribe": _("The unsubscribe address must start with https://."),
    "bad_message_id": _("The email's Message-ID is not the one of its delivery."),
    "long_line": _("The email has a line longer than 998 bytes."),
    "bare_newline": _("The email has a line that does not end with CR LF."),
    "control_character": _("The email has a control character on the wire."),
    "not_ascii": _("The email has bytes outside ASCII on the wire."),
    "bad_structure": _("The email is not made of a text and an HTML part."),
}

FINDINGS: Mapping[str, Promise] = {
    "empty_subject": _("The subject is empty. Write one."),
    "subject_too_long": _("The subject is longer than 998 characters. Shorten it."),
    "no_preheader": _("There is no line after the subject. Inboxes then show the first words of the email there."),
    "no_sender_name": _("There is no sender name. Readers then see only the address."),
    "missing_unsubscribe": _(
        "The unsubscribe link is missing (HTML or text version). Put {{ unsubscribe_url }} into a link."
    ),
    "no_postal_address": _("The workspace has no postal address, which every marketing email must show."),
    "missing_postal_address": _("The email does not show your postal address. Put it in."),
    "unresolved_placeholder": _(
        "Placeholders of another system are left in the email (%(detail)s). Write them like {{ first_name }}."
    ),
    "unknown_field": _("No contact has these fields: %(detail)s. They stay empty in the email."),
    "active_content": _(
        "Scripts, forms, frames or event handlers: %(count)s. Mail programs refuse them. Take them out."
    ),
    "html_too_large": _("The HTML is %(count)s KB. Gmail cuts emails after 102 KB and hides the unsubscribe link."),
    "images_without_alt": _("Images without alternative text: %(count)s. Readers who block images see nothing there."),
    "insecure_images": _("Images with http: addresses: %(count)s. Many mail programs show only https: images."),
    "relative_links": _("Addresses without https:// in front: %(count)s. They lead nowhere from an inbox."),
    "broken_links": _(
        "Links that no browser can follow: %(count)s (%(detail)s). Write them like https://example.com/page."
    ),
    "local_links": _(
        "Links or images that only work on your own machine or network (%(detail)s). Readers get nothing from them."
    ),
    "doubtful_links": _("Links to shorteners or bare IP addresses (%(detail)s). Spam filters distrust them."),
}

PARTS: Mapping[str, Promise] = {
    "subject": _("Subject"),
    "preheader": _("Line after the subject"),
    "html": _("HTML"),
    "text": _("Text version"),
}


def finding(code: str, *, count: int = 0, detail: str = "") -> str:
    """Return the sentence of a finding in the language in use."""
    return str(FINDINGS[code]) % {"count": count, "detail": detail}


def sentence(code: str, params: Mapping[str, str | int]) -> str:
    """Return the sentence of a code in the language in use."""
    part = str(params.get("part", ""))
    return str(SENTENCES[code]) % {**params, "part": PARTS.get(part, part)}
