"""The shape of what people type in about contacts, lists, imports and suppressions; the services judge its sense."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Workspace
from apps.contacts.csv import charsets, columns
from apps.contacts.models import Contact, ContactList, ImportJob
from apps.contacts.services.imports import Preview
from core import addresses

DELIMITERS = [(",", _("Comma")), (";", _("Semicolon")), ("\t", _("Tab")), ("|", _("Vertical bar"))]


class LinesField(forms.CharField):
    """Text of one line or several; browsers send line ends as CR LF, which we keep as LF."""

    def to_python(self, value: Any) -> Any:
        """Return the text with LF for every line end."""
        return super().to_python(_with_lf(value) if isinstance(value, str) else value)


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class PersonForm(forms.Form):
    """A person's names."""

    first_name = forms.CharField(label=_("First name"), max_length=255, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=255, required=False)


class EditPersonForm(PersonForm):
    """A person's address, names and fields."""

    email = forms.CharField(
        label=_("Email address"), max_length=320, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    new_field = forms.CharField(
        label=_("New field"), max_length=40, required=False, help_text=_("A name such as city or plan.")
    )
    new_value = forms.CharField(label=_("Its value"), max_length=2000, required=False)
    field_order = ("email", "first_name", "last_name")

    def __init__(self, *args: Any, contact: Contact, **kwargs: Any) -> None:
        kwargs.setdefault(
            "initial", {"email": contact.email, "first_name": contact.first_name, "last_name": contact.last_name}
        )
        super().__init__(*args, **kwargs)
        self.contact = contact
        for key, value in contact.attributes.items():
            shown = "" if value is None else _with_lf(str(value))
            self.fields[f"field-{key}"] = LinesField(
                label=key,
                max_length=2000,
                required=False,
                initial=shown,
                widget=forms.Textarea(attrs={"rows": min(shown.count("\n") + 1, 8)}) if "\n" in shown else None,
            )

    def clean_new_field(self) -> str:
        """Return the name as templates use it."""
        name: str = self.cleaned_data["new_field"]
        if not name.strip():
            return ""
        key = columns.attribute_key(name)
        if not key:
            raise forms.ValidationError(_t("Use letters, digits and underscores."))
        if key in self.contact.attributes:
            raise forms.ValidationError(_t("There is a field with this name already."))
        return key

    def clean(self) -> dict[str, Any]:
        """Ask for both the name and the value of a new field, or neither."""
        cleaned = super().clean() or {}
        if "new_field" in cleaned and "new_value" in cleaned:
            if cleaned["new_field"] and not cleaned["new_value"].strip():
                self.add_error("new_value", _t("Give the new field a value, or leave its name empty."))
            elif cleaned["new_value"].strip() and not cleaned["new_field"]:
                self.add_error("new_field", _t("Give the new field a name, or leave its value empty."))
        return cleaned

    @property
    def own_fields(self) -> list[forms.BoundField]:
        """The fields of this person, as the form shows them."""
        return [self[f"field-{key}"] for key in self.contact.attributes]

    @property
    def attributes(self) -> dict[str, object]:
        """The fields after the change: an emptied one goes, one that was not sent stays as it is."""
        changed: dict[str, object] = {}
        for key, value in self.contact.attributes.items():
            name = f"field-{key}"
            typed = addresses.CONTROLS.sub("", self.cleaned_data[name]).strip() if name in self.data else str(value)
            if typed:
                changed[key] = value if typed == _with_lf(str(value)).strip() else typed
        if (key := self.cleaned_data["new_field"]) and (value := self.cleaned_data["new_value"].strip()):
            changed[key] = addresses.CONTROLS.sub("", value)
        return changed


class NoteForm(forms.Form):
    """Something worth knowing about a person."""

    text = forms.CharField(
        label=_("New note"), max_length=4000, widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip


class WhyForm(forms.Form):
    """The reason for a deed, for colleagues."""

    why = forms.CharField(label=_("Why"), max_length=200)


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
    """A list's name, what it is about, and whether people may choose it themselves."""

    name = forms.CharField(label=_("Name"), max_length=120)
    description = forms.CharField(
        label=_("Description"), max_length=300, required=False, help_text=_("People see it where they unsubscribe.")
    )
    is_public = forms.BooleanField(
        label=_("People may join and leave it themselves"),
        required=False,
        help_text=_("It then stands on the page of preferences that every email links to."),
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
    """Addresses that must not be written to: typed in, or in a file."""

    emails = forms.CharField(
        label=_("Email addresses"),
        max_length=2_000_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("One per line."),
    )
    file = forms.FileField(
        label=_("Or a file"),
        required=False,
        help_text=_("CSV or text, one address per line, up to 5 MB: for example the suppressions of another tool."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
    )
    note = forms.CharField(label=_("Why"), max_length=200, required=False, help_text=_("A note for your colleagues."))

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        cleaned = super().clean() or {}
        if not cleaned.get("emails", "").strip() and not cleaned.get("file"):
            self.add_error("emails", _t("Give at least one address, or choose a file."))
        return cleaned


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
        help_text=_(
            "For example: signed forms at our stand in Lisbon. Kept with every contact, with the date, your name and "
            "the file's fingerprint."
        ),
    )

    def __init__(self, *args: Any, job: ImportJob, preview: Preview, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = ContactList.objects.filter(workspace=job.workspace_id)
        chosen = self.fields["contact_list"]
        assert isinstance(chosen, forms.ModelChoiceField)
        chosen.queryset = lists
        chosen.initial = None if job.new_list else job.contact_list or lists.first()
        self.fields["new_list"].initial = job.new_list
        self.fields["consent"].initial = job.consent
        self.fields["agreed"].initial = bool(job.consent)
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
