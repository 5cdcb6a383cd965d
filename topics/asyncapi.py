"""The wire contract as an AsyncAPI 3.0 document, made from the catalog and the models and from nothing else."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from domain.money import EXPONENTS
from topics.catalog import DEAD_LETTERS, GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS, TOPICS
from topics.spec import TopicSpec

JsonObject = dict[str, Any]

ASYNCAPI_VERSION = "3.0.0"
KAFKA_BINDING_VERSION = "0.5.0"
JSON_CONTENT = "application/json"
BYTES_CONTENT = "application/octet-stream"

DESCRIPTION = """\
Paystream is a payment processor that is a stream. Upstream services ask for payments on the commands topic; fulfilment
follows the domain events; analysts and treasury read the settlement topics.

Records are CloudEvents 1.0 in Kafka's binary mode: the attributes are headers named `ce_…`, and the value is the data.
Amounts are integers of minor units of an ISO 4217 currency; times have an offset. Any record may be delivered more than
once: `ce_id` stays the same, and on relayed topics `ce_sequence` only grows within a partition."""

_TEXT: JsonObject = {"type": "string"}
_NUMBER: JsonObject = {"type": "string", "pattern": "^[0-9]+$"}
_TIME: JsonObject = {"type": "string", "format": "date-time"}
_ATTRIBUTES: JsonObject = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": _TEXT | {"description": "The same whenever the same thing is told again."},
    "ce_type": _TEXT | {"description": "What the record is, for example `paystream.payment.completed`."},
    "ce_source": _TEXT | {"format": "uri-reference"},
    "ce_time": _TIME,
    "ce_subject": _TEXT | {"description": "What the record is about; the record's key on most topics."},
    "ce_dataschema": _TEXT
    | {
        "format": "uri",
        "description": "The model and its version, as `urn:paystream:{topic}:{model}`; on every relayed record.",
    },
    "content-type": _TEXT,
}
_OPTIONAL_ATTRIBUTES = ("ce_subject", "ce_dataschema")


def _headers(description: str, properties: JsonObject, optional: Sequence[str] = ()) -> JsonObject:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "description": description, "properties": properties, "required": required}


_HEADER_SCHEMAS: JsonObject = {
    "CloudEventHeaders": _headers("CloudEvents attributes, each value as UTF-8.", _ATTRIBUTES, _OPTIONAL_ATTRIBUTES),
    "WelcomeHeaders": _headers("CloudEvents attributes are welcome and not needed.", _ATTRIBUTES, [*_ATTRIBUTES]),
    "RelayHeaders": _headers(
        "Of records that come out of the outbox.",
        {"ce_sequence": _NUMBER | {"description": "Only grows within a partition: drop what is not above the last."}},
    ),
    "RawPositionHeaders": _headers(
        "Where the callback lies that the record came of.", {"ps_raw_partition": _NUMBER, "ps_raw_offset": _NUMBER}
    ),
    "CallbackHeaders": _headers(
        "What was posted, but for its body.",
        {
            "ps_gateway": _TEXT,
            "ps_account": _TEXT,
            "ps_path": _TEXT,
            "ps_remote_address": _TEXT,
            "ps_http_headers": _TEXT | {"description": "JSON list of [name, value] pairs, in the order received."},
        },
    ),
    "RejectionHeaders": _headers(
        "Why the callback was refused.", {"ps_reason": _TEXT | {"description": "A stable code."}, "ps_message": _TEXT}
    ),
    "DeadLetterHeaders": _headers(
        "Why and where processing failed, beside the headers of the source record.",
        {
            "ps_dlq_topic": _TEXT,
            "ps_dlq_partition": _NUMBER,
            "ps_dlq_offset": _NUMBER,
            "ps_dlq_error": _TEXT,
            "ps_dlq_message": _TEXT,
            "ps_dlq_at": _TIME,
        },
    ),
}


def export_asyncapi(specs: Sequence[TopicSpec] = TOPICS) -> JsonObject:
    """Describe every topic that is not internal: channels, operations from Paystream's side, messages, schemas."""
    public = [spec for spec in specs if not spec.internal]
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Paystream",
            "version": version("paystream"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": JSON_CONTENT,
        "channels": {spec.name: _channel(spec) for spec in public},
        "operations": {f"{_action(spec)}-{spec.name}": _operation(spec) for spec in public},
        "components": {
            "messages": {_message_name(spec): _message(spec) for spec in public},
            "schemas": _HEADER_SCHEMAS | _model_schemas(public),
        },
    }


def render(document: Mapping[str, Any]) -> str:
    """Write a document the way it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _channel(spec: TopicSpec) -> JsonObject:
    name = _message_name(spec)
    return {
        "address": spec.name,
        "description": spec.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "partitions": spec.partitions,
                "topicConfiguration": {key: _typed(key, value) for key, value in spec.config.items()},
                "bindingVersion": KAFKA_BINDING_VERSION,
            }
        },
    }


def _typed(key: str, value: str) -> list[str] | int | str:
    """Kafka's settings are texts; the Kafka binding has lists and numbers."""
    if key == "cleanup.policy":
        return value.split(",")
    return int(value) if value.isdigit() else value


def _action(spec: TopicSpec) -> str:
    return "receive" if spec.written_by.startswith("upstream") else "send"


def _operation(spec: TopicSpec) -> JsonObject:
    return {
        "action": _action(spec),
        "channel": {"$ref": f"#/channels/{spec.name}"},
        "summary": f"Written by {spec.written_by}.",
        "messages": [{"$ref": f"#/channels/{spec.name}/messages/{_message_name(spec)}"}],
    }


def _message(spec: TopicSpec) -> JsonObject:
    key = {"type": "string", "description": spec.key}
    return {
        "name": _message_name(spec),
        "contentType": BYTES_CONTENT if spec.model is None else JSON_CONTENT,
        "headers": {"allOf": [_schema(name) for name in _header_schemas(spec)]},
        "payload": _payload(spec),
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING_VERSION}},
    }


def _message_name(spec: TopicSpec) -> str:
    """The model's name, or one made of the topic's: `payments.webhooks.raw.v1` is `PaymentsWebhooksRaw`."""
    if spec.model is not None:
        return spec.model.__name__
    words = spec.name.removesuffix(".v1").replace("-", ".").split(".")
    return "".join(word.capitalize() for word in words)


def _payload(spec: TopicSpec) -> JsonObject:
    if spec.model is not None:
        return _schema(spec.model.__name__)
    return {"type": "string", "contentMediaType": BYTES_CONTENT, "description": "Bytes, exactly as they came."}


def _header_schemas(spec: TopicSpec) -> tuple[str, ...]:
    if spec in DEAD_LETTERS:
        return ("DeadLetterHeaders",)
    if _action(spec) == "receive":
        return ("WelcomeHeaders",)
    more = {
        RAW_WEBHOOKS.name: ("CallbackHeaders",),
        REJECTED_WEBHOOKS.name: ("CallbackHeaders", "RejectionHeaders", "RawPositionHeaders"),
        GATEWAY_EVENTS.name: ("RawPositionHeaders",),
    }
    relayed = ("RelayHeaders",) if spec.written_by == "agents/relay" else ()
    return ("CloudEventHeaders", *more.get(spec.name, ()), *relayed)


def _schema(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _model_schemas(specs: Sequence[TopicSpec]) -> JsonObject:
    models = {spec.model.__name__: spec.model for spec in specs if spec.model is not None}
    _, document = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template="#/components/schemas/{model}"
    )
    schemas = {name: _with_tags_required(_tidied(schema)) for name, schema in document.get("$defs", {}).items()}
    schemas["Currency"] = {"type": "string", "enum": sorted(EXPONENTS), "description": "ISO 4217 code."}
    return dict(sorted(schemas.items()))


def _tidied(node: Any) -> Any:  # noqa: ANN401 - JSON is any of its types.
    """Leave out what only OpenAPI knows, and name the list of currencies once instead of writing it everywhere."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("enum") == sorted(EXPONENTS):
        return _schema("Currency")
    is_openapi = isinstance(node.get("discriminator"), dict)
    return {key: _tidied(value) for key, value in node.items() if not (is_openapi and key == "discriminator")}


def _with_tags_required(schema: JsonObject) -> JsonObject:
    """Require the constant that tells the members of a union apart: its default is for Python callers alone."""
    tags = [name for name, member in schema.get("properties", {}).items() if "const" in member]
    return schema | {"required": [*schema.get("required", ()), *tags]} if tags else schema
