"""What openapi.json says of a call: which operation it is, and whether its answer is as described."""

import json
import re
from pathlib import Path
from urllib.error import HTTPError

import jsonschema_rs

from people import Person

DOCUMENT = json.loads((Path(__file__).parent / "../../openapi.json").read_text())


# A schema that others are made of: it is open there, and closed where it stands alone.
OPEN = ".open"


def strict(schema):
    """The schema with nothing beside what it describes."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(member) for name, member in schema.items() if name != "example"}
    if "allOf" in made:
        made["allOf"] = [opened(part) for part in made["allOf"]]
    is_object = "allOf" in made or isinstance(made.get("properties"), dict)
    return {"unevaluatedProperties": False} | made if is_object else made


def opened(part):
    if "$ref" in part:
        return part | {"$ref": part["$ref"] + OPEN}
    return {name: member for name, member in part.items() if name != "unevaluatedProperties"}


def strict_components():
    closed = {name: strict(it) for name, it in DOCUMENT["components"]["schemas"].items()}
    return closed | {name + OPEN: opened(it) for name, it in closed.items()}


COMPONENTS = {"schemas": strict_components()}


class Operation:
    def __init__(self, method, path, described):
        self.name = f"{method.upper()} {path}"
        self.pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$")
        self.method, self.place = method.upper(), path.count("{")
        self.answers = described["responses"]

    def check(self, status, kind, body):
        """Raises unless such an answer is described."""
        assert str(status) in self.answers, f"{self.name} answered {status}"
        answer = self.answers[str(status)]
        if "$ref" in answer:
            answer = DOCUMENT["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
        kinds = answer.get("content", {})
        assert kind in kinds, f"{self.name} answered {kind}"
        if kind == "application/json":
            schema = strict(kinds[kind]["schema"]) | {"components": COMPONENTS}
            jsonschema_rs.validate(schema, json.loads(body))


OPERATIONS = [
    Operation(method, path, described)
    for path, item in DOCUMENT["paths"].items()
    for method, described in item.items()
    if method in ("get", "post", "delete")
]


def operation(method, path):
    """The operation that a call is; of several the one with the fewest parameters."""
    path = path.split("?")[0]
    fitting = [it for it in OPERATIONS if it.method == method and it.pattern.match(path)]
    assert fitting, f"{method} {path} is not described"
    return min(fitting, key=lambda it: it.place)


class Refused(Exception):
    def __init__(self, called, status, said):
        super().__init__(f"{called.name}: {status} {said.decode()}")
        self.status = status


class Checked(Person):
    """A person each of whose answers is held against its description; `done` has what succeeded."""

    done = set()

    def fetch(self, path, method="GET", body=None):
        called = operation(method, path)
        try:
            headers, answered = super().fetch(path, method, body)
        except HTTPError as refused:
            said = refused.read()
            called.check(refused.code, refused.headers.get_content_type(), said)
            raise Refused(called, refused.code, said) from refused
        called.check(self.status, headers.get_content_type(), answered)
        self.done.add(called.name)
        return headers, answered

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, **body):
        return self.call("POST", path, body or None)

    def delete(self, path):
        return self.call("DELETE", path)

    def attempt(self, method, path):
        """The answer, or none where something else was in the way."""
        try:
            return self.call(method, path)
        except Refused as refused:
            assert refused.status == 409, refused
            return None

    def refused(self, method, path, **body):
        """The code of the refusal that this meets."""
        try:
            self.call(method, path, body or None)
        except Refused as refused:
            return refused.status
        raise AssertionError(f"{method} {path} was not refused")
