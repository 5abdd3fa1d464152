"""The OpenAPI document, made from the table of endpoints."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter

from sheepfold import __version__
from sheepfold.server.api.routing import Endpoint, File
from sheepfold.server.api.schemas import Failure

PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
NUMBER = {"type": "integer", "minimum": 0}
ANSWER, BODY = "serialization", "validation"


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 for these endpoints."""
    schemas, components = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for index, endpoint in enumerate(endpoints):
        address = "/api/" + PARAMETER.sub(r"{\2}", endpoint.path)
        paths.setdefault(address, {})[endpoint.method.lower()] = _operation(index, endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sheepfold", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[dict[Any, Any], dict[str, Any]]:
    wanted: list[tuple[Any, Any, TypeAdapter[Any]]] = [("failure", ANSWER, TypeAdapter(Failure))]
    for index, endpoint in enumerate(endpoints):
        if not isinstance(endpoint.answer, File):
            wanted.append((index, ANSWER, TypeAdapter(endpoint.answer)))
        if endpoint.body is not None:
            wanted.append((index, BODY, TypeAdapter(endpoint.body)))
    schemas, shared = TypeAdapter.json_schemas(wanted, ref_template="#/components/schemas/{model}")
    return schemas, shared.get("$defs", {})


def _operation(index: int, endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.parameters)],
        "responses": {
            "200": {"description": "done", "content": _content(index, endpoint, schemas)},
            "default": {"description": "refused", "content": _json(schemas["failure", ANSWER])},
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(schemas[index, BODY])}
    return operation


def _content(index: int, endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    if isinstance(endpoint.answer, File):
        return {endpoint.answer.media_type: {"schema": {"type": "string", "format": "binary"}}}
    return _json(schemas[index, ANSWER])


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _path_parameters(address: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": NUMBER if kind == "int" else {"type": "string"}}
        for kind, name in PARAMETER.findall(address)
    ]


def _query_parameters(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
