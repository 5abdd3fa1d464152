"""A project may want machines of a least power.

SQLite adds a column by making the table anew, and forgets where ids of an empty table begin: they are set again.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from sheepfold.server.projects.models import FIRST_PROJECT_ID


def keep_first_id(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Ids go on after the highest, and never begin below FIRST_PROJECT_ID."""
    if editor.connection.vendor != "sqlite":
        return
    last = FIRST_PROJECT_ID - 1
    editor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = 'projects_project'", [last])
    editor.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'projects_project', %s WHERE NOT EXISTS "
        "(SELECT 1 FROM sqlite_sequence WHERE name = 'projects_project')",
        [last],
    )


class Migration(migrations.Migration):
    """A column, then the sequence."""

    dependencies = [("projects", "0003_invitations_and_shares")]
    operations = [
        migrations.AddField(model_name="project", name="min_power", field=models.IntegerField(default=0)),
        migrations.RunPython(keep_first_id, migrations.RunPython.noop),
    ]
