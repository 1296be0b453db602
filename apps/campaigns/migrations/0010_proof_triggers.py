"""The database itself keeps tries and revised ends, refuses to close an account that is open, and guards certificates.

The conditions stand in the triggers, not in their functions: a letter that is accepted at once calls none of them.
"""

from django.db import migrations

# A row that leaves a worker's hand without having been accepted was a try. Where a letter merely waits for its account
# it was none: then the attempt is taken back and `moved_at` stands. A reply is copied only where the try had one: what
# gives a letter back unanswered leaves `due_at` alone, and the reaper's reasons say so themselves.
FORWARD = """
CREATE FUNCTION campaigns_keep_attempt(was campaigns_delivery, now_is campaigns_delivery) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    former campaigns_attempt%ROWTYPE;
    is_back boolean := now_is.state = 'queued' AND now_is.due_at = was.due_at;
    was_answered boolean := NOT is_back AND now_is.reason NOT IN ('crashed', 'process_died', 'lease_ended');
    why text := CASE WHEN NOT is_back THEN now_is.reason
                     WHEN now_is.attempts < was.attempts THEN 'given_back' ELSE 'lease_ended' END;
BEGIN
    SELECT * INTO former FROM campaigns_attempt WHERE delivery_id = now_is.id ORDER BY number DESC LIMIT 1;
    IF former.number >= 24 AND former.state = now_is.state AND former.reason = why
       AND former.code IS NOT DISTINCT FROM (CASE WHEN was_answered THEN now_is.last_code END) THEN
        UPDATE campaigns_attempt SET times = times + 1, until = now(),
               due_at = CASE WHEN now_is.state = 'queued' THEN now_is.due_at END WHERE id = former.id;
        RETURN;
    END IF;
    INSERT INTO campaigns_attempt (delivery_id, transport_id, number, at, times, state, reason, failure, stage, code,
                                   enhanced, text, due_at)
    VALUES (now_is.id, now_is.transport_id, coalesce(former.number, 0) + 1, now(), 1, now_is.state, why,
            CASE WHEN was_answered THEN now_is.failure ELSE '' END,
            CASE WHEN was_answered THEN now_is.last_stage ELSE '' END,
            CASE WHEN was_answered THEN now_is.last_code END,
            CASE WHEN was_answered THEN now_is.last_enhanced ELSE '' END,
            CASE WHEN was_answered THEN now_is.last_text ELSE '' END,
            CASE WHEN now_is.state = 'queued' THEN now_is.due_at END);
END $$;

CREATE FUNCTION campaigns_keep_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state NOT IN ('sending', 'committing') THEN
        INSERT INTO campaigns_revision (delivery_id, campaign_id, at, from_state, from_reason, to_state, to_reason)
        VALUES (NEW.id, NEW.campaign_id, now(), OLD.state, OLD.reason, NEW.state, NEW.reason);
    ELSIF NEW.state = 'sent' THEN
        RETURN NULL; -- an earlier copy has arrived; the letter's history says so
    ELSIF NEW.attempts >= OLD.attempts OR NEW.moved_at <> OLD.moved_at THEN
        PERFORM campaigns_keep_attempt(OLD, NEW);
    END IF;
    RETURN NULL;
END $$;
-- One trigger with a short condition: it is the only part that an accepted letter pays for.
CREATE TRIGGER keep_record AFTER UPDATE OF state ON campaigns_delivery FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.state <> 'queued' AND OLD.state <> 'leased' AND NEW.state <> 'committing'
          AND (NEW.state <> 'sent' OR OLD.state <> 'committing'))
    EXECUTE FUNCTION campaigns_keep_record();

CREATE FUNCTION campaigns_close_only_what_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    letters bigint;
    pending bigint;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE state IN ('queued', 'leased', 'sending', 'committing'))
    INTO letters, pending FROM campaigns_delivery WHERE campaign_id = NEW.id AND kind = 'campaign';
    IF pending > 0 OR letters <> coalesce(NEW.audience_size, 0) THEN
        RAISE EXCEPTION 'campaign % cannot close: audience %, letters %, of them % without an end',
            NEW.id, coalesce(NEW.audience_size, 0), letters, pending
            USING ERRCODE = 'check_violation', CONSTRAINT = 'campaign_account_adds_up';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER close_only_what_adds_up BEFORE UPDATE ON campaigns_campaign FOR EACH ROW
    WHEN ((NEW.state = 'finished' AND OLD.state <> 'finished')
          OR (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL))
    EXECUTE FUNCTION campaigns_close_only_what_adds_up();

CREATE FUNCTION campaigns_never_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never edited', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE ON campaigns_certificate
    FOR EACH ROW EXECUTE FUNCTION campaigns_never_edited();
"""
BACK = """
DROP TRIGGER never_edited ON campaigns_certificate;
DROP FUNCTION campaigns_never_edited();
DROP TRIGGER close_only_what_adds_up ON campaigns_campaign;
DROP FUNCTION campaigns_close_only_what_adds_up();
DROP TRIGGER keep_record ON campaigns_delivery;
DROP FUNCTION campaigns_keep_record();
DROP FUNCTION campaigns_keep_attempt(campaigns_delivery, campaigns_delivery);
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0009_proof")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
