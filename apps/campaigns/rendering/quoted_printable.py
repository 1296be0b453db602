"""Quoted-printable (RFC 2045 §6.7): of whole texts, and of templates, whose static text is then encoded only once."""

from __future__ import annotations

import binascii
import re

from jinja2 import nodes
from jinja2.visitor import NodeTransformer
from markupsafe import escape

FILTER = "_encoded"
SLOT = re.compile(r"_(?:c\d+|open)\Z")  # what freezing puts into a version: the address of a counted link, the picture
_FILLED = "_encoded"
SOFT_BREAK = "=\r\n"
_LINE = 76
_LEADING_DOTS = re.compile(rb"^(\.+)(.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[ !#-%(-\-/-;?-~](?:[ !#-%(-;?-~]{0,73}[!#-%(-;?-~])?\Z")  # one line, no "=", no HTML in it


def encode(content: bytes) -> bytes:
    """Return UTF-8 text with LF line ends as quoted-printable with CRLF; no line starts with a dot."""
    encoded = binascii.b2a_qp(content, istext=True)
    if b" \n" in content or b"\t\n" in content:
        # binascii forgets the room that an encoded blank at the end of a line takes
        encoded = b"\n".join(_within_line(line) for line in encoded.split(b"\n"))
    if encoded.startswith(b".") or b"\n." in encoded:
        # some relays lose a dot at the start of a line
        encoded = _LEADING_DOTS.sub(_encode_dots, encoded)
    return encoded.replace(b"\n", b"\r\n")


def _within_line(line: bytes) -> bytes:
    return line if len(line) <= _LINE else line[:-3] + b"=\n" + line[-3:]


def _encode_dots(found: re.Match[bytes]) -> bytes:
    dots, rest = len(found[1]), found[2]
    if 3 * dots + len(rest) <= _LINE:
        return b"=2E" * dots + rest
    lines = [b"=2E" * min(25, dots - start) + b"=" for start in range(0, dots, 25)]
    return b"\n".join([*lines, rest])


def encode_piece(text: str) -> str:
    """Return a piece of a text that begins and ends at the start of a line, so that pieces can be put together."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    encoded = encode(text.encode("utf-8", "replace")).decode("ascii")
    return encoded if not encoded or encoded.endswith("\r\n") else encoded + SOFT_BREAK


def encode_value(text: str) -> str:
    """Return a value of an HTML template, escaped and encoded."""
    if _PLAIN.match(text):
        return f"{text}{SOFT_BREAK}"
    return encode_piece(str(escape(text)))


class _Encoder(NodeTransformer):
    """Encodes static text now, and values when they are written.

    What a template keeps for itself (`{% set %}` … `{% endset %}`, our filter around an address) stays plain
    inside, and is encoded where it is written.
    """

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802  named by Jinja
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                part.data = encode_piece(part.data)
            elif isinstance(part, nodes.Filter):
                part.name = FILTER
        node.nodes = [_slot(part) or part for part in node.nodes]
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:  # noqa: N802
        node.filter = nodes.Filter(node.filter, FILTER, [], [], None, None, lineno=node.lineno)
        return node


def _slot(part: nodes.Expr) -> nodes.Name | None:
    """Return the name of a slot of ours as it is filled beforehand, or None for what is encoded when it is written."""
    if isinstance(part, nodes.Filter) and isinstance(part.node, nodes.Name) and SLOT.match(part.node.name):
        return nodes.Name(encoded_slot(part.node.name), "load", lineno=part.lineno)
    return None


def encoded_slot(name: str) -> str:
    """Return under which name a slot's encoded value stands."""
    return name + _FILLED


def is_encoded_slot(name: str) -> bool:
    """Say whether what stands under this name is ready for the wire."""
    return name.startswith("_") and name.endswith(_FILLED)


def encoded_tree(tree: nodes.Template) -> nodes.Template:
    """Return the template that writes quoted-printable for what this one writes as text."""
    encoded = _Encoder().visit(tree)
    assert isinstance(encoded, nodes.Template)
    return encoded
