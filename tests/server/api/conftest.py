"""Somebody with a token, on a farm."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from sheepfold.server.accounts.actions import create_api_token
from sheepfold.server.accounts.models import User
from tests.server.farm import make_user


@dataclass(frozen=True)
class Program:
    """A program with a token. Answers are the status and the decoded JSON."""

    user: User
    token: str
    client: Client

    def get(self, path: str, **query: str | int) -> tuple[int, Any]:
        response = self.client.get(f"/api/{path}", query)
        return response.status_code, response.json()

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        response = self.client.post(f"/api/{path}", body or {}, content_type="application/json")
        return response.status_code, response.json()

    def patch(self, path: str, body: object) -> tuple[int, Any]:
        response = self.client.patch(f"/api/{path}", body, content_type="application/json")
        return response.status_code, response.json()

    def send(self, path: str, data: bytes) -> tuple[int, Any]:
        response = self.client.patch(f"/api/{path}", data, content_type="application/octet-stream")
        return response.status_code, response.json()


def program_of(user: User) -> Program:
    _, secret = create_api_token(user=user, name="test")
    return Program(user, secret, Client(headers={"Authorization": f"Bearer {secret}"}))


@pytest.fixture
def program(db: None) -> Program:
    return program_of(make_user("owner"))


@pytest.fixture
def stranger(db: None) -> Program:
    return program_of(make_user("stranger"))


@pytest.fixture
def admin(db: None) -> Program:
    return program_of(make_user("boss", is_staff=True, is_superuser=True))
