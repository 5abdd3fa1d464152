"""Let project ids begin at FIRST_PROJECT_ID: clients take ids below 20 for test jobs."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from sheepfold.server.projects.models import FIRST_PROJECT_ID


def set_first_id(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Move the sequence, in the words of each database."""
    if editor.connection.vendor == "postgresql":
        editor.execute(f"ALTER SEQUENCE projects_project_id_seq RESTART WITH {FIRST_PROJECT_ID}")
    else:
        editor.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('projects_project', %s)", [FIRST_PROJECT_ID - 1]
        )


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [("projects", "0001_initial")]
    operations = [migrations.RunPython(set_first_id, migrations.RunPython.noop)]
