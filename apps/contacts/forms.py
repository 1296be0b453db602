"""The shape of what people type in about contacts, lists, imports and suppressions; the services judge its sense."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.contacts.csv import charsets, columns
from apps.contacts.models import ContactList, ImportJob
from apps.contacts.services.imports import Preview

DELIMITERS = [(",", _("Comma")), (";", _("Semicolon")), ("\t", _("Tab")), ("|", _("Vertical bar"))]


class PersonForm(forms.Form):
    """A person's names."""

    first_name = forms.CharField(label=_("First name"), max_length=255, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=255, required=False)


class NewPersonForm(PersonForm):
    """A person who is added by hand."""

    email = forms.CharField(
        label=_("Email address"), max_length=320, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    lists = forms.ModelMultipleChoiceField(
        label=_("Lists"),
        queryset=ContactList.objects.none(),
        required=False,
        to_field_name="uuid",
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only lists this person agreed to."),
    )
    field_order = ("email", "first_name", "last_name", "lists")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["lists"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = ContactList.objects.filter(workspace=workspace)


class ListForm(forms.Form):
    """A list's name."""

    name = forms.CharField(label=_("Name"), max_length=120)
    description = forms.CharField(
        label=_("Description"), max_length=300, required=False, help_text=_("People see it where they unsubscribe.")
    )


class ChooseListForm(forms.Form):
    """One list of the workspace."""

    contact_list = forms.ModelChoiceField(
        label=_("List"), queryset=ContactList.objects.none(), to_field_name="uuid", empty_label=None
    )

    def __init__(self, *args: Any, lists: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["contact_list"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = lists


class SuppressForm(forms.Form):
    """An address that must not be written to."""

    email = forms.CharField(label=_("Email address"), max_length=320, widget=forms.EmailInput)
    note = forms.CharField(label=_("Why"), max_length=200, required=False, help_text=_("A note for your colleagues."))


class UploadForm(forms.Form):
    """A file to import."""

    file = forms.FileField(
        label=_("CSV file"),
        help_text=_("Comma or semicolon, any encoding, up to 100 MB. You see its columns before anything changes."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
    )

    def __init__(self, *args: Any, when_missing: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if when_missing:
            self.fields["file"].error_messages["required"] = when_missing


class ReadAsForm(forms.Form):
    """How a file is to be read, where the guess was wrong."""

    encoding = forms.ChoiceField(label=_("Character set"), choices=list(charsets.CHOICES.items()))
    delimiter = forms.ChoiceField(label=_("Columns are parted by"), choices=DELIMITERS)
    has_header = forms.BooleanField(label=_("The first row names the columns"), required=False)

    def __init__(self, *args: Any, job: ImportJob, **kwargs: Any) -> None:
        # Variants of UTF are known for certain; a person chooses among the families.
        family = next((name for name in ("utf-8", "utf-16") if job.encoding.startswith(name)), job.encoding)
        kwargs.setdefault("initial", {"encoding": family, "delimiter": job.delimiter, "has_header": job.has_header})
        super().__init__(*args, **kwargs)
        encoding = self.fields["encoding"]
        assert isinstance(encoding, forms.ChoiceField)
        encoding.choices = [
            (name, word) for name, word in charsets.CHOICES.items() if (name == "utf-16") == (family == "utf-16")
        ]


class MappingForm(forms.Form):
    """What each column becomes, where the people go, and how they agreed."""

    contact_list = forms.ModelChoiceField(
        label=_("Add them to"), queryset=ContactList.objects.none(), to_field_name="uuid", required=False,
        empty_label=_("A new list…"),
    )  # fmt: skip
    new_list = forms.CharField(
        label=_("Name of the new list"),
        max_length=120,
        required=False,
        help_text=_("Only where you chose a new list above."),
    )
    agreed = forms.BooleanField(
        label=_("These people agreed to get email from us"),
        error_messages={"required": _("Without their consent they must not be written to.")},
    )
    consent = forms.CharField(
        label=_("How they agreed"),
        max_length=180,
        help_text=_("For example: signed forms at our stand in Lisbon. This note is kept with every contact."),
    )

    def __init__(self, *args: Any, job: ImportJob, preview: Preview, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = ContactList.objects.filter(workspace=job.workspace_id)
        chosen = self.fields["contact_list"]
        assert isinstance(chosen, forms.ModelChoiceField)
        chosen.queryset = lists
        chosen.initial = job.contact_list or lists.first()
        self.width = len(preview.columns)
        for number, column in enumerate(preview.columns):
            self.fields[f"column_{number}"] = forms.ChoiceField(
                label=_t("“%(column)s” becomes") % {"column": column.name},
                choices=targets(column.name),
                initial=preview.mapping.get(number, ""),
                required=False,
            )

    def clean(self) -> dict[str, Any]:
        """Ask for a name where a new list is wanted."""
        cleaned = super().clean() or {}
        if not cleaned.get("contact_list") and not cleaned.get("new_list", "").strip():
            self.add_error("new_list", _t("Choose a list, or give the new one a name."))
        return cleaned

    @property
    def mapping(self) -> dict[int, str]:
        """Column number → target."""
        return {number: self.cleaned_data[f"column_{number}"] for number in range(self.width)}


def targets(column_name: str) -> list[tuple[str, Any]]:
    """Return what a column may become."""
    choices: list[tuple[str, Any]] = [
        ("", _("Leave out")),
        (columns.EMAIL, _("Email address")),
        (columns.FIRST_NAME, _("First name")),
        (columns.LAST_NAME, _("Last name")),
        (columns.NAME, _("Full name")),
    ]
    if key := columns.attribute_key(column_name):
        choices.append((columns.ATTRIBUTE + key, _("Field: %(key)s") % {"key": key}))
    return choices
