"""What a migration may do, since the old version serves while it runs and beside the new one (docs/operating.md)."""

from collections.abc import Iterator, Sequence

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# Nobody has run an older version than this one yet: what came before the first release need not be additive.
FIRST_RELEASE = {
    "accounts": "0002_invitations_and_shares",
    "core": "0001_initial",
    "dispatch": "0004_verification",
    "frames": "0001_initial",
    "machines": "0003_steering",
    "outputs": "0001_initial",
    "projects": "0004_power",
    "renderers": "0001_initial",
    "results": "0003_verification",
}
ADDITIVE = (
    migrations.CreateModel,
    migrations.AddIndex,
    AddIndexConcurrently,
    migrations.RunPython,
    migrations.AlterModelOptions,
)
INVISIBLE = {"choices", "default", "help_text", "verbose_name"}  # to the database


def offences(app: str, operations: Sequence[Operation], state: ProjectState) -> Iterator[str]:
    """What the old version would stumble over."""
    for operation in operations:
        if not _is_additive(app, operation, state):
            yield f"{app}: {operation.describe()}"
        operation.state_forwards(app, state)


def _is_additive(app: str, operation: Operation, state: ProjectState) -> bool:
    if isinstance(operation, migrations.AlterField):
        before = state.models[app, operation.model_name_lower].fields[operation.name]
        return _seen(before) == _seen(operation.field)
    if isinstance(operation, migrations.AddField):
        return _may_be_left_out(operation.field)
    return isinstance(operation, ADDITIVE)


def _may_be_left_out(field: "models.Field[object, object]") -> bool:
    """The old version does not name the column when it adds a row."""
    return field.null or field.has_db_default() or isinstance(field, models.ManyToManyField)


def _seen(field: "models.Field[object, object]") -> object:
    _, path, arguments, words = field.deconstruct()
    return path, arguments, {name: value for name, value in words.items() if name not in INVISIBLE}


def test_no_migration_disturbs_the_version_before_it() -> None:
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in FIRST_RELEASE and name > FIRST_RELEASE[app]:
            state = loader.project_state((app, name), at_end=False)
            assert list(offences(app, migration.operations, state)) == [], "see `A new version` in docs/operating.md"


@pytest.mark.parametrize(
    ("operation", "additive"),
    [
        (migrations.AddField("lease", "note", models.TextField(default="")), False),
        (migrations.AddField("lease", "note", models.TextField(db_default="")), True),
        (migrations.AddField("lease", "note", models.TextField(null=True)), True),
        (migrations.RemoveField("lease", "frame"), False),
        (migrations.RenameField("lease", "frame", "number"), False),
        (migrations.AlterField("lease", "frame", models.BigIntegerField()), False),
        (migrations.AlterField("lease", "frame", models.IntegerField(help_text="of the scene")), True),
        (migrations.DeleteModel("lease"), False),
        (migrations.RunSQL("DROP TABLE dispatch_lease"), False),
        (migrations.AddIndex("lease", models.Index(fields=["frame"], name="by_frame")), True),
    ],
)
def test_what_counts_as_additive(operation: Operation, additive: bool) -> None:
    loader = MigrationLoader(None)
    state = loader.project_state(("dispatch", FIRST_RELEASE["dispatch"]))
    assert (list(offences("dispatch", [operation], state)) == []) is additive
