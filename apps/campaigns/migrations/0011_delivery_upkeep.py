"""Keeps the table of letters in shape while millions pass through it.

Every letter's row is written four times (rung, begun, marked, sent), and never within its page, because the state
stands in the indexes. So one index less counts, and autovacuum looks at the table after a twentieth of it has changed
instead of a fifth.
"""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
ALTER TABLE campaigns_delivery SET (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05)
"""
BACKWARD = """
ALTER TABLE campaigns_delivery RESET (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor)
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0010_proof_triggers")]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="campaign",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="deliveries",
                to="campaigns.campaign",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
