"""The audit refuses changes, whoever asks; erasure and retention set a flag for their own transaction."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION vashsender_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('vashsender.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION vashsender_append_only();
"""
BACK = """
DROP TRIGGER append_only ON accounts_auditentry;
DROP FUNCTION vashsender_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_people_and_audit")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
