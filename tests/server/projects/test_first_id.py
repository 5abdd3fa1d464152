"""Clients take ids below 20 for test jobs, so no project may ever get one."""

import pytest

from sheepfold.server.projects.actions import create_project
from sheepfold.server.projects.models import FIRST_PROJECT_ID
from tests.server.farm import make_user


@pytest.mark.django_db
def test_ids_of_projects_begin_above_those_of_test_jobs() -> None:
    assert create_project(owner=make_user(), name="first").pk >= FIRST_PROJECT_ID
