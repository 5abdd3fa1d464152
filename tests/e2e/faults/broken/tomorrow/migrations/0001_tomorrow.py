"""What the next version of the farm might add: columns of the busiest tables, an index and a table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("dispatch", "0001_initial"), ("frames", "0001_initial"), ("results", "0001_initial")]
    operations = [
        migrations.RunSQL("ALTER TABLE dispatch_lease ADD COLUMN tomorrow varchar(20) NOT NULL DEFAULT ''"),
        migrations.RunSQL("ALTER TABLE frames_tile ADD COLUMN tomorrow bigint NULL"),
        migrations.RunSQL("CREATE INDEX results_result_tomorrow ON results_result (rendertime)"),
        migrations.CreateModel("Tomorrow", [("id", models.BigAutoField(primary_key=True))]),
    ]
