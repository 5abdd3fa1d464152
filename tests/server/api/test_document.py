"""Whatever the OpenAPI document allows, and what it forbids, gets an answer that the document describes."""

from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.hashers import make_password
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sheepfold.server.accounts.actions import create_api_token
from sheepfold.server.accounts.models import User
from sheepfold.server.api.endpoints import ENDPOINTS
from sheepfold.server.api.openapi import document
from sheepfold.server.core.jobs import huey
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.conftest import ON_POSTGRESQL
from tests.server.conftest import Server
from tests.server.farm import make_project

EXAMPLES = 8 if ON_POSTGRESQL else 20  # of each operation and mode
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
OPERATIONS = [
    f"{method.upper()} {path}" for path, methods in document(ENDPOINTS)["paths"].items() for method in methods
]


@dataclass(frozen=True)
class Asker:
    """An admin's program on a farm with a project in every state."""

    server: Server
    token: str
    projects: tuple[int, ...]

    def operations(self) -> list[APIOperation]:
        """As the document of the running farm describes them."""
        schema = schemathesis.openapi.from_url(f"{self.server.url}/api/openapi.json")
        return [one.ok() for one in schema.get_all_operations()]

    def ask(self, case: Case, number: int) -> None:
        """Send it, two times of three about a project that exists."""
        if number % 3 and "project_id" in case.path_parameters:
            case.path_parameters["project_id"] = self.projects[number % len(self.projects)]
        response = case.call(headers={"Authorization": f"Bearer {self.token}"})
        case.validate_response(response, checks=list(CHECKS))


@pytest.fixture
def asker(server: Server) -> Asker:
    user = User.objects.create(username="boss", password=make_password(None), is_staff=True, is_superuser=True)
    states = [one for one in ProjectStatus if one is not ProjectStatus.UPLOADING]
    projects = [make_project(owner=user, status=status, tiles=4) for status in states]
    return Asker(server, create_api_token(user=user, name="fuzz")[1], tuple(one.pk for one in projects))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_described(asker: Asker, mode: GenerationMode) -> None:
    operations = asker.operations()
    assert [one.label for one in operations] == OPERATIONS
    for operation in operations:
        if mode is GenerationMode.POSITIVE or _can_be_wrong(operation):
            _ask_all(asker, operation, mode)
    assert Project.objects.filter(pk__in=asker.projects).count() == len(asker.projects)
    huey.flush()


def _ask_all(asker: Asker, operation: APIOperation, mode: GenerationMode) -> None:
    numbers = iter(range(EXAMPLES * 10))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        asker.ask(case, next(numbers))

    ask()


def _can_be_wrong(operation: APIOperation) -> bool:
    """Whether there is anything that the document says of what is sent."""
    return bool(operation.body) or bool(list(operation.path_parameters)) or bool(list(operation.query))
