"""Builds a letter the long way, as a yardstick: every value escaped and encoded as it comes, each link by itself.

The product's own way must give the same bytes (`tests/campaigns/rendering/test_same_bytes.py`), only sooner.
"""

from __future__ import annotations

import base64
import hashlib
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from jinja2 import Template, nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from apps.campaigns.rendering import Frozen, Letter, assertions, budget, filters, headers, message, preview
from apps.campaigns.rendering.budget import Budget
from apps.campaigns.rendering.compiled import compile_part
from apps.campaigns.rendering.environment import LetterEnvironment
from apps.campaigns.rendering.quoted_printable import encode_piece, encode_value
from apps.campaigns.rendering.values import clean_fields
from apps.smtp.envelope import Envelope

_FILTER = "_encoded_plainly"


def sealed(purpose: str, delivery_id: int, part: int = 0) -> str:
    """Return a token as its definition says: a keyed hash, and the payload behind a mask."""
    secret = (settings.ENCRYPTION_KEYS or [settings.SECRET_KEY])[0].encode()
    tag_key, mask_key = (hashlib.sha256(use + secret).digest() for use in (b"vs-token-tag:", b"vs-token-mask:"))
    payload = delivery_id.to_bytes(8, "big") + part.to_bytes(2, "big")
    tag = hashlib.blake2b(purpose.encode() + b"\0" + payload, key=tag_key, digest_size=16).digest()
    stream = hashlib.blake2b(tag, key=mask_key, digest_size=10).digest()
    masked = bytes(a ^ b for a, b in zip(payload, stream, strict=True))
    return base64.urlsafe_b64encode(tag + masked).rstrip(b"=").decode("ascii")


@pass_context
def _encoded(_context: Context, value: object) -> Markup:
    text = filters.text_of(value)
    budget.current.get().spend_output(len(text))
    return Markup(encode_value(text))


class _PlainEnvironment(LetterEnvironment):
    """The engine with Jinja's own code generator."""

    code_generator_class = CodeGenerator


class _Encoder(NodeTransformer):
    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802  named by Jinja
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                part.data = encode_piece(part.data)
            elif isinstance(part, nodes.Filter):
                part.name = _FILTER
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:  # noqa: N802
        node.filter = nodes.Filter(node.filter, _FILTER, [], [], None, None, lineno=node.lineno)
        return node


@lru_cache(maxsize=64)
def _template(html: str) -> Template:
    environment = _PlainEnvironment(is_html=True, is_strict=False)
    environment.filters[_FILTER] = _encoded
    code = environment.compile(_Encoder().visit(environment.parse(html)))
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


@lru_cache(maxsize=256)
def _part(source: str, part: str) -> Any:
    return compile_part(source, part=part, is_html=part == "html", is_strict=False)


def compose(frozen: Frozen, letter: Letter) -> Envelope:
    """Return the letter, built piece by piece."""
    clicks = letter.click_urls(len(frozen.links))
    values: dict[str, Any] = {**clean_fields(letter.fields), **{f"_c{n}": url for n, url in enumerate(clicks)}}
    values |= {"_open": letter.open_url, "unsubscribe_url": letter.unsubscribe_url}
    values |= {"view_url": letter.view_url, "preferences_url": letter.preferences_url}
    message_id = headers.bracketed(letter.message_id)
    sender = headers.sender_lines.__wrapped__(frozen.from_name, frozen.from_email, frozen.reply_to)
    lines = headers.letter_lines(letter, _part(frozen.subject, "subject").render(values), sender)
    text = _one_newline(_part(frozen.text, "text").render(values))
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    wire = message.assemble(lines, text=message.encode_part(text), html=_html(frozen, values), message_id=message_id)
    own = (letter.unsubscribe_url, letter.view_url, letter.preferences_url, letter.open_url, *clicks)
    expected = assertions.Expected(message_id, letter.is_bulk, letter.allow_http_loopback, letter.unsubscribe_url, own)
    assertions.check(wire, expected)
    rcpt_to, mail_from = headers.ascii_address(letter.to_email), headers.ascii_address(letter.mail_from)
    return Envelope(mail_from=mail_from, rcpt_to=rcpt_to, data=wire, message_id=letter.message_id)


def _html(frozen: Frozen, values: dict[str, Any]) -> message.Part:
    if message.prefers_base64(frozen.html, len(frozen.html.encode())):
        return message.encode_part(_one_newline(_part(frozen.html, "html").render(values)))
    template = _template(frozen.html)
    spending = budget.current.set(Budget())
    try:
        rendered = "".join(template.root_render_func(template.new_context(values)))
    finally:
        budget.current.reset(spending)
    return message.Part(message.QUOTED_PRINTABLE, rendered.encode("ascii"))


def _one_newline(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def with_email_message(frozen: Frozen, letter: Letter) -> bytes:
    """Return the same letter as the standard library's e-mail object writes it (its links lead to no recipient)."""
    shown = preview(frozen, letter.fields)
    made = EmailMessage(policy=policy.SMTP)
    made["From"] = Address(frozen.from_name, addr_spec=frozen.from_email)
    made["To"] = Address(letter.to_name, addr_spec=letter.to_email)
    made["Subject"] = shown.subject
    made["Date"] = format_datetime(letter.date)
    made["Message-ID"] = letter.message_id
    made["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(shown.text)
    made.add_alternative(shown.html, subtype="html")
    return made.as_bytes()
