"""Form fields as the design has them: label above, help below, error below that, and the attributes that say so."""

from __future__ import annotations

from typing import Any

from django.forms import BoundField, widgets
from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def _kind(widget: widgets.Widget) -> str:
    """Return how the control is laid out; order matters, since widgets inherit from each other."""
    match widget:
        case widgets.CheckboxSelectMultiple() | widgets.RadioSelect():
            return "choices"
        case widgets.CheckboxInput():
            return "checkbox"
        case widgets.Textarea():
            return "textarea"
        case widgets.Select():
            return "select"
        case widgets.FileInput():
            return "file"
        case _:
            return "input"


def _classes(kind: str, widget: widgets.Widget) -> str:
    if kind == "choices":
        # Django derives the boxes from the radios.
        return "checkbox" if isinstance(widget, widgets.CheckboxSelectMultiple) else "radio"
    return {"file": "input file"}.get(kind, kind)


def render(
    bound: BoundField,
    *,
    label: str = "",
    help: str | None = "",
    mono: bool = False,
    optional: bool | None = None,
    **attrs: Any,
) -> SafeString:
    """Return one field as HTML.

    Args:
        bound: the field of a form.
        label: another label than the form's.
        help: another help text than the form's; None for none.
        mono: show the control's text in the fixed-width face.
        optional: mark it as optional; decided by the field unless given.
        attrs: attributes of the control; an underscore becomes a hyphen.
    """
    widget = bound.field.widget
    kind = _kind(widget)
    help_text = bound.help_text if help == "" else help
    element_id = bound.id_for_label or bound.auto_id
    described = [f"{element_id}_help"] if help_text else []
    if bound.errors:
        described.append(f"{element_id}_error")
    control: dict[str, Any] = {name.replace("_", "-"): value for name, value in attrs.items()}
    own = str(control.get("class", ""))
    control["class"] = " ".join(filter(None, [_classes(kind, widget), own, "mono-input" if mono else ""]))
    if described:
        control["aria-describedby"] = " ".join(described)
    if bound.errors:
        control["aria-invalid"] = "true"
    if optional is None:
        optional = not bound.field.required and kind not in {"checkbox", "choices"}
    values = {
        "field": bound,
        "kind": kind,
        "id": element_id,
        "label": label or bound.label,
        "help": help_text,
        "optional": optional,
        "control": bound.as_widget(attrs=control) if kind != "choices" else "",
        "choice_class": control["class"],
        "described": " ".join(described),
    }
    return render_to_string("components/field.html", values)
