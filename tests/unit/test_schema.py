"""The contract documents: committed, complete, and true to what the codec accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from streams.errors import ContractError
from streams.events import schema
from streams.events.codec import CONTENT_TYPE, Rejection, decode, decode_calendar
from streams.events.examples import EXAMPLES, example
from streams.events.times import parse_time
from streams.events.types import CalendarEntry, OrderPlaced
from streams.kpis.values import KpiValue
from streams.runtime.deadletters import LARGEST_VALUE, dead_letter

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ContractError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or parse_time(value) is not None


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    document = json.loads((CONTRACTS / schema.JSON_SCHEMA_FILE).read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document, format_checker=FORMATS)


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CONTRACTS / schema.ASYNCAPI_FILE).read_text("utf-8"))
    return document


def test_the_committed_documents_are_what_the_types_give() -> None:
    schema.check(CONTRACTS)


def test_the_same_types_give_the_same_bytes(tmp_path: Path) -> None:
    assert schema.main(["write", str(tmp_path / "new")]) == 0
    assert schema.main(["check", str(tmp_path / "new")]) == 0
    for name, text in schema.documents().items():
        assert (tmp_path / "new" / name).read_bytes() == text.encode()


def test_drift_is_one_line_that_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema.write(tmp_path)
    changed = tmp_path / schema.ASYNCAPI_FILE
    changed.write_text(changed.read_text("utf-8").replace("order.placed", "order.made"), "utf-8")
    assert schema.main(["check", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (f"{changed} differs from the types (run: python -m streams.events.schema write {tmp_path})\n")
    changed.unlink()
    assert schema.main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{changed} is missing (run: ")


def test_there_is_one_example_of_each_type() -> None:
    assert {type(event) for event in EXAMPLES} == set(schema.EVENT_TYPES)
    assert len(EXAMPLES) == len(schema.EVENT_TYPES)
    assert len({event.id for event in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("cls", schema.EVENT_TYPES, ids=lambda cls: cls.__name__)
def test_each_example_fits_its_schema_and_no_other(validator: Draft202012Validator, cls: type) -> None:
    payload = example(cls)
    validator.validate(payload)
    fitting = [
        name
        for name in (other.__name__ for other in schema.EVENT_TYPES)
        if validator.evolve(schema={**validator.schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]}).is_valid(payload)
    ]
    assert fitting == [cls.__name__]


BROKEN: dict[str, Any] = {
    "specversion": None,
    "type": "order.shipped",
    "id": "",
    "source": "a\nb",
    "subject": "x" * 257,
    "time": "2026-02-30T00:00:00Z",
    "data": [],
    "data.order_id": None,
    "data.amount": -1,
    "data.currency": "EURO",
    "data.customer": 3,
    "data.items": None,
    "data.promised_at": "tomorrow",
}


@pytest.mark.parametrize(("path", "value"), BROKEN.items())
def test_what_the_codec_rejects_does_not_fit_the_schema(validator: Draft202012Validator, path: str, value: Any) -> None:
    event = example(OrderPlaced)
    *parents, last = path.split(".")
    place = event[parents[0]] if parents else event
    place[last] = value
    assert not validator.is_valid(event)
    if value is None:
        del place[last]
        assert validator.is_valid(event) == (path == "data.items")


def test_unknown_fields_are_allowed(validator: Draft202012Validator) -> None:
    event = example(OrderPlaced) | {"traceparent": "00-ab"}
    event["data"]["gift"] = True
    validator.validate(event)


@pytest.mark.parametrize("cls", schema.EVENT_TYPES, ids=lambda cls: cls.__name__)
def test_the_codec_accepts_each_example(cls: type) -> None:
    raw = json.dumps(example(cls)).encode()
    event = decode_calendar(raw) if cls is CalendarEntry else decode(raw)
    assert event in EXAMPLES


def references(value: Any) -> set[str]:
    """All ``$ref`` in a document."""
    if isinstance(value, dict):
        return {value["$ref"]} if "$ref" in value else set().union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def resolve(document: dict[str, Any], reference: str) -> Any:
    place: Any = document
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def test_the_asyncapi_document_has_the_parts_of_version_3(asyncapi: dict[str, Any]) -> None:
    assert asyncapi["asyncapi"] == "3.0.0"
    assert asyncapi["info"].keys() >= {"title", "version"}
    assert asyncapi["defaultContentType"] == CONTENT_TYPE
    assert set(asyncapi["channels"]) == {
        "orders",
        "deliveries",
        "support",
        "calendar",
        "kpis",
        "incidents",
        "feedback",
        "deadLetters",
    }
    for server in asyncapi["servers"].values():
        assert server.keys() >= {"host", "protocol"}
    for channel in asyncapi["channels"].values():
        parameters = set(re.findall(r"\{(\w+)\}", channel["address"]))
        assert parameters == set(channel["parameters"])
        assert channel["messages"]
        for parameter in channel["parameters"].values():
            assert parameter.keys() <= {"enum", "default", "description", "examples", "location"}
    for operation in asyncapi["operations"].values():
        assert operation["action"] in ("send", "receive")


def test_every_reference_in_the_asyncapi_document_resolves(asyncapi: dict[str, Any]) -> None:
    found = references(asyncapi)
    assert found
    for reference in found:
        assert resolve(asyncapi, reference) is not None


def test_an_operation_only_names_messages_of_its_own_channel(asyncapi: dict[str, Any]) -> None:
    for operation in asyncapi["operations"].values():
        channel = operation["channel"]["$ref"]
        messages = [message["$ref"] for message in operation["messages"]]
        assert messages == [f"{channel}/messages/{name}" for name in resolve(asyncapi, channel)["messages"]]


def test_every_event_type_has_a_message_in_its_channel(asyncapi: dict[str, Any]) -> None:
    messages = {
        message["name"]
        for message in asyncapi["components"]["messages"].values()
        if message["contentType"] == CONTENT_TYPE
    }
    assert messages == {str(cls.__struct_config__.tag) for cls in schema.EVENT_TYPES}
    for name in ("orders", "deliveries", "support"):
        assert "SourceHeartbeat" in asyncapi["channels"][name]["messages"]


def test_examples_in_the_asyncapi_document_fit_their_payload(asyncapi: dict[str, Any]) -> None:
    for message in asyncapi["components"]["messages"].values():
        assert message["examples"]
        for given in message["examples"]:
            if "payload" in given:
                payload = Draft202012Validator(
                    {**message["payload"], "components": asyncapi["components"]}, format_checker=FORMATS
                )
                payload.validate(given["payload"])
            if "headers" in given:
                Draft202012Validator(message["headers"]).validate(given["headers"])


def test_the_headers_described_are_those_of_a_dead_letter(asyncapi: dict[str, Any]) -> None:
    described = asyncapi["components"]["messages"]["DeadLetter"]["headers"]
    fault = Rejection("missing field: data.order_id", "missing_field")
    for value, names in (
        (b"{}", described["required"]),
        (bytes(LARGEST_VALUE + 1), [*described["properties"]]),
    ):
        record = dead_letter("daybook.orders.v1", 2, 40817, b"O-1", value, fault)
        assert [name for name, _ in record.headers] == names


def test_the_kpi_example_is_a_kpi_value(asyncapi: dict[str, Any]) -> None:
    payload = asyncapi["components"]["messages"]["KpiValue"]["examples"][0]["payload"]
    value = KpiValue.decode(json.dumps(payload).encode())
    assert msgspec.to_builtins(value, str_keys=True)["parts"] == (9, 12)
    assert value.value == value.parts[0] / value.parts[1]
