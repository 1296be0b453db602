"""The look of a workspace on its recipients' pages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_api_keys")]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="colour",
            field=models.CharField(db_default="pine", default="pine", max_length=8),
        ),
        migrations.AddField(
            model_name="workspace",
            name="logo",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
    ]
