"""Keeps how long a campaign stood still in its own row, where it was added to every waiting letter's before."""

import datetime

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0011_delivery_upkeep")]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="held",
            field=models.DurationField(db_default=datetime.timedelta(), default=datetime.timedelta),
        ),
    ]
