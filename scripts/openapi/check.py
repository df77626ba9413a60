"""Checks an OpenAPI 3.1 document: that it is valid, and that it keeps the promises this project makes of it.

Prints one line a fault and exits with 1 when there is any.
"""

import copy
import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
HEADERS_OF_STATUS = {
    "401": ["WWW-Authenticate"],
    "405": ["Allow"],
    "429": ["Retry-After"],
    "503": ["Retry-After"],
}


class Document:
    """A document, with its references followed and counted."""

    def __init__(self, root):
        self.root = root

    def find(self, reference):
        """What `reference` points to; KeyError, TypeError or ValueError when there is no such thing."""
        if not reference.startswith("#/"):
            raise ValueError(reference)
        found = self.root
        for part in reference[2:].split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found

    def follow(self, node):
        """`node` itself, or what it refers to."""
        while "$ref" in node:
            node = self.find(node["$ref"])
        return node

    def nodes(self):
        """Every object with its path, values of examples left out: those are data."""

        def walk(node, path):
            if isinstance(node, list):
                for index, child in enumerate(node):
                    yield from walk(child, f"{path}/{index}")
            elif isinstance(node, dict):
                yield path, node
                for key, child in node.items():
                    if key not in ("value", "example"):
                        yield from walk(child, f"{path}/{key}")

        return walk(self.root, "#")

    def operations(self):
        """Every operation with its name for a message."""
        for path, item in self.root["paths"].items():
            for method in METHODS:
                if method in item:
                    yield f"{method.upper()} {path}", item[method]


def check_specification(document):
    for error in OpenAPIV31SpecValidator(document.root).iter_errors():
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


def check_references(document):
    for path, node in document.nodes():
        reference = node.get("$ref")
        if isinstance(reference, str):
            try:
                document.find(reference)
            except (KeyError, TypeError, ValueError):
                yield f"{path}: {reference} points nowhere"


def check_components_are_used(document):
    used = {node.get("$ref") for _, node in document.nodes()}
    for _, operation in document.operations():
        used |= {f"#/components/securitySchemes/{name}" for need in operation.get("security", []) for name in need}
    for kind, components in document.root["components"].items():
        for name in components:
            if f"#/components/{kind}/{name}" not in used:
                yield f"components/{kind}/{name} is not used"


def check_examples(document):
    """Every example against its schema; a member that the schema does not name is taken for a slip."""
    closed = copy.deepcopy(document.root["components"])
    for schema in closed["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for path, node in document.nodes():
        if "schema" not in node:
            continue
        validator = Draft202012Validator(
            {"allOf": [node["schema"]], "components": closed},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        examples = {name: document.follow(example)["value"] for name, example in node.get("examples", {}).items()}
        if "example" in node:
            examples["example"] = node["example"]
        for name, value in examples.items():
            for error in validator.iter_errors(value):
                yield f"{path}: example {name}: {error.json_path}: {error.message}"


def check_operations(document):
    tags = {tag["name"] for tag in document.root["tags"]}
    for name, operation in document.operations():
        for member in ("operationId", "summary", "description"):
            if not operation.get(member):
                yield f"{name}: no {member}"
        if not operation.get("tags") or not tags.issuperset(operation["tags"]):
            yield f"{name}: needs tags, and only ones that the document describes"
        if not any(status >= "4" for status in operation["responses"]):
            yield f"{name}: no error response"
        if operation.get("security") and "401" not in operation["responses"]:
            yield f"{name}: needs a token and has no 401"
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if not media.get("examples"):
                yield f"{name}: the request body has no example"
        for status, response in operation["responses"].items():
            for fault in check_response(document, status, document.follow(response)):
                yield f"{name} {status}: {fault}"


def check_response(document, status, response):
    for header in ["x-request-id", *HEADERS_OF_STATUS.get(status, [])]:
        if header not in response.get("headers", {}):
            yield f"no {header} header"
    if status < "4":
        return
    examples = response.get("content", {}).get("application/json", {}).get("examples", {})
    if not examples:
        yield "no example of the error"
    for name, example in examples.items():
        code = document.follow(example)["value"].get("code")
        if name.split(".")[0] != code:
            yield f"the example {name} has the code {code}"
        if name.startswith("HTTP_") and name != f"HTTP_{status}":
            yield f"{name} is an error of another status"


CHECKS = (check_references, check_specification, check_components_are_used, check_examples, check_operations)


def main(path):
    with open(path, encoding="utf-8") as file:
        document = Document(json.load(file))
    for check in CHECKS:
        faults = list(check(document))
        if faults:
            # The later checks follow references and rely on the shape that the earlier ones have made sure of.
            print("\n".join(faults), file=sys.stderr)
            return 1
    print(f"{path}: {len(list(document.operations()))} operations, all well")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
