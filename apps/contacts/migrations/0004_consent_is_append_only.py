"""Consent refuses changes, whoever asks; erasing a person sets a flag for its own transaction."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON contacts_consentevent
    FOR EACH ROW EXECUTE FUNCTION vashsender_append_only();
"""
BACK = "DROP TRIGGER append_only ON contacts_consentevent;"


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0003_consent_notes_and_dry_runs"),
        ("accounts", "0003_audit_is_append_only"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACK)]
