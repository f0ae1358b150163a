"""The JSON Schemas of what the commands print. `python -m tests.schemas` writes them to `docs/schemas`.

Each file is complete in itself, so that programs can use it alone. Objects are strict: a new member needs a new schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from imagesig.api.attached.artifact import ArtifactKind
from imagesig.api.diagnosing import State
from imagesig.api.trust.migrating import MigrationState
from imagesig.cli.output.migrated import EXPIRED, LABELS
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import Label

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TIME: Schema = {"type": "string", "format": "date-time"}
BY_NAME: Schema = {"type": "object", "additionalProperties": TEXT}
NO_RESULTS: Schema = {"type": "array", "maxItems": 0}
KEY_TYPE: Schema = {"enum": [item.value for item in KeyType]}


def one_of(*values: object) -> Schema:
    return {"enum": list(values)}


def constant(value: object) -> Schema:
    return {"const": value}


def listed(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def named(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def record(
    members: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, description: str = ""
) -> Schema:
    """An object with exactly these members; the optional ones may be missing."""
    said = {"description": description} if description else {}
    properties = {**members, **(optional or {})}
    return {
        **said,
        "type": "object",
        "required": list(members),
        "additionalProperties": False,
        "properties": properties,
    }


CLAIM = {"identity": {"type": ["string", "null"]}, "annotations": BY_NAME, "subjects": listed(TEXT)}
ERROR = {
    "error": {"description": "The name of the exception's class.", **TEXT},
    "message": TEXT,
    "hint": {"description": "What to do; may be empty.", **TEXT},
    "retryable": {"description": "Whether trying again can help.", **BOOLEAN},
    "rejections": listed(named("rejection")),
    "findings": listed(named("finding")),
    "reasons": listed(TEXT),
}
ATTACH = {"attached": listed(TEXT), "missing": listed(TEXT)}
REMOVAL = {"removed": listed(TEXT), "left": listed(TEXT)}
HALF_DONE = {**ATTACH, **REMOVAL}
"""What was done before an error, and what is left to do."""
BLOB = {"name": {"description": "The name of the file; empty for a stream.", **TEXT}, "size": COUNT, "digest": DIGEST}
IMAGE = {"image": TEXT, "digest": DIGEST, "pinned": TEXT}
REMOVED = {"digest": DIGEST, "platform": TEXT, "format": TEXT, "origin": TEXT, "state": one_of("removed", "planned")}

DEFS: dict[str, Schema] = {
    "rejection": record({"origin": TEXT, "error": TEXT, "message": TEXT}, description="One rejected signature."),
    "finding": record(
        {"authority": TEXT, "accepted": listed(TEXT), "reasons": listed(TEXT)},
        description="The signatures of one authority of the policy: origins of the accepted ones, reasons for others.",
    ),
    "certificate": record(
        {"fingerprint": DIGEST, "subject": TEXT, "issuer": TEXT, "not_before": TIME, "not_after": TIME}
    ),
    "verified_signature": record(
        {
            "format": TEXT,
            "origin": TEXT,
            "key": TEXT,
            "public_key": DIGEST,
            "algorithm": TEXT,
            "certificates": listed(named("certificate")),
            **CLAIM,
            "checks": listed(record({"name": TEXT, "passed": BOOLEAN, "detail": TEXT})),
        },
        description="A signature that the policy accepted. `key` is the name of the authority in the policy.",
    ),
    "verified_statement": record(
        {
            "predicate_type": TEXT,
            "statement_type": TEXT,
            "predicate_bytes": COUNT,
            "proven_by": {"enum": ["signature", "index"]},
            "index": TEXT,
            "signature": named("verified_signature"),
        },
        {"predicate": TEXT},
        description="A statement that the policy accepted. `signature` is its own, or one of the image `index` with "
        "this digest that holds it. `predicate` is in base64, if it was asked for.",
    ),
    "inspected_signature": record(
        {
            "format": TEXT,
            "origin": TEXT,
            "for": DIGEST,
            "platform": TEXT,
            "key_hint": TEXT,
            "certificates": listed(named("certificate")),
            "attributes": BY_NAME,
            "problem": TEXT,
        },
        CLAIM,
        "A stored signature. Nothing in it is verified.",
    ),
    "inspected_attestation": record(
        {
            "format": TEXT,
            "origin": TEXT,
            "for": DIGEST,
            "platform": TEXT,
            "predicate_type": TEXT,
            "subjects": listed(TEXT),
            "key_hint": TEXT,
            "problem": TEXT,
        },
        description="A stored attestation. Nothing in it is verified.",
    ),
    "verified_image": record(
        {
            **IMAGE,
            "verified": {"description": "False if the policy only allows the image without proof.", **BOOLEAN},
            "rule": TEXT,
            "warnings": listed(TEXT),
            "findings": listed(named("finding")),
            "platform": TEXT,
            "through_index": BOOLEAN,
            "signatures": listed(named("verified_signature")),
            "statements": listed(named("verified_statement")),
            "rejections": listed(named("rejection")),
        }
    ),
    "unverified_image": record({"verified": constant(False), "image": TEXT, **ERROR}),
    "signed_image": record(
        {
            **IMAGE,
            "identity": TEXT,
            "key_id": TEXT,
            "public_key": DIGEST,
            "warnings": listed(TEXT),
            "signatures": listed(
                record(
                    {"digest": DIGEST, "platform": TEXT, "format": TEXT}
                    | {"state": one_of("attached", "present", "planned")}
                )
            ),
            "removed": listed(record(REMOVED)),
        }
    ),
    "attested_image": record(
        {
            **IMAGE,
            "predicate_type": TEXT,
            "key_id": TEXT,
            "public_key": DIGEST,
            "warnings": listed(TEXT),
            "attestations": listed(
                record(
                    {"digest": DIGEST, "platform": TEXT, "format": TEXT}
                    | {"state": one_of("attached", "present", "planned")}
                )
            ),
            "removed": listed(record(REMOVED)),
        }
    ),
    "unattested_image": record({"attested": constant(False), "image": TEXT, **ERROR}, HALF_DONE),
    "migrated_tag": record(
        {
            "image": TEXT,
            "state": one_of(*get_args(MigrationState)),
            "digest": {"description": "Of the trust data; empty for a tag that nobody signed.", **TEXT},
            "pinned": TEXT,
            "signers": listed(TEXT),
            "registry_digest": {"description": "What the registry's tag means now; empty if there is none.", **TEXT},
            "moved": BOOLEAN,
            "expired": {"description": "The day on which accepted trust data expired; empty if valid.", **TEXT},
            "key_id": TEXT,
            "public_key": TEXT,
            "signatures": listed(
                record(
                    {"digest": DIGEST, "platform": TEXT, "format": TEXT}
                    | {"state": one_of("attached", "present", "planned")}
                )
            ),
            "warnings": listed(TEXT),
        }
    ),
    "tag_not_migrated": record({"migrated": constant(False), "image": TEXT, **ERROR}, HALF_DONE),
    "changed_trust": record(
        {
            "image": {"description": "The repository, with the tag that was changed.", **TEXT},
            "repository": TEXT,
            "versions": listed(record({"role": TEXT, "version": COUNT})),
            "root": {"description": "The ids of the root keys: pin one of them.", **listed(TEXT)},
            "tag": TEXT,
            "digest": {"description": "What was signed; empty if nothing was.", **TEXT},
            "size": COUNT,
            "created": {"description": "Whether the repository had no trust data.", **BOOLEAN},
            "warnings": listed(TEXT),
        }
    ),
    "unchanged_trust": record({"image": TEXT, **ERROR}),
    "payload": record(
        {**IMAGE, "identity": TEXT, "payload": TEXT, "payload_digest": DIGEST, "warnings": listed(TEXT)},
        description="What is to be signed elsewhere.",
    ),
    "signed_blob": record({**BLOB, "signature": TEXT, "algorithm": TEXT, "key": TEXT, "public_key": DIGEST}),
    "attested_blob": record({**BLOB, "predicate_type": TEXT, "algorithm": TEXT, "key": TEXT, "public_key": DIGEST}),
    "verified_blob": record(
        {
            **BLOB,
            "statements": listed(named("verified_statement")),
            "signatures": listed(named("verified_signature")),
            "warnings": listed(TEXT),
        },
    ),
    "unsigned_image": record({"signed": constant(False), "image": TEXT, **ERROR}, HALF_DONE),
    "copied_image": record(
        {
            "source": TEXT,
            "destination": TEXT,
            "digest": DIGEST,
            "pinned": TEXT,
            "tag": TEXT,
            "platform": TEXT,
            "manifests": listed(
                record(
                    {
                        "digest": DIGEST,
                        "kind": one_of("image", "platform", "tagged", "referrer", "part"),
                        "label": TEXT,
                        "subject": TEXT,
                        "state": one_of("copied", "merged", "present", "kept"),
                    }
                )
            ),
            "blobs": record({"sent": COUNT, "sent_bytes": COUNT, "mounted": COUNT, "present": COUNT}),
            "warnings": listed(TEXT),
        }
    ),
    "inspected_image": record(
        {**IMAGE, "trusted": constant(False), "signatures": listed(named("inspected_signature"))}
        | {"attestations": listed(named("inspected_attestation"))}
        | {"complete": constant(True)}
    ),
    "partly_inspected_image": record(
        {**IMAGE, "trusted": constant(False), "signatures": listed(named("inspected_signature"))}
        | {"attestations": listed(named("inspected_attestation"))}
        | {"complete": constant(False), **ERROR}
    ),
    "tree_node": record(
        {
            "kind": one_of(*(item.value for item in ArtifactKind)),
            "digest": TEXT,
            "media_type": TEXT,
            "size": {"type": ["integer", "null"]},
            "platform": TEXT,
            "artifact_type": TEXT,
            "predicate_type": TEXT,
            "created": TEXT,
            "origin": TEXT,
            "problem": TEXT,
            "children": listed(named("tree_node")),
        },
        description="An image, an index, or an artifact attached to one. Nothing in it is verified.",
    ),
    "tree": record({**IMAGE, "trusted": constant(False), "tree": named("tree_node"), "complete": constant(True)}),
    "partial_tree": record(
        {**IMAGE, "trusted": constant(False), "tree": named("tree_node"), "complete": constant(False), **ERROR}
    ),
    "image_without_signatures": record(
        {**IMAGE, "removed": listed(record(REMOVED)), "kept": COUNT, "warnings": listed(TEXT)}
    ),
    "image_with_signatures": record({"image": TEXT, **ERROR}, REMOVAL),
    "step": record(
        {"area": TEXT, "state": one_of(*(item.value for item in State)), "detail": TEXT, "hint": TEXT},
        description="One step of the diagnosis.",
    ),
    "rule": record({"rule": TEXT, "warn": BOOLEAN, "requirements": listed(named("requirement"))}),
    "requirement": record({"text": TEXT, "supported": BOOLEAN}),
    "explained_authority": record(
        {"authority": TEXT, "is": TEXT, "problem": TEXT}, {"accepted": listed(TEXT), "reasons": listed(TEXT)}
    ),
    "explained_requirement": record(
        {"text": TEXT, "met": {"type": ["boolean", "null"]}, "problem": TEXT, "warnings": listed(TEXT)}
        | {"authorities": listed(named("explained_authority")), "rejections": listed(named("rejection"))}
    ),
}
"""Parts of documents. Only those that a document needs are in its file."""

POLICY = {
    "policy check": record(
        {
            "rules": listed(
                record({"scope": TEXT, "rule": TEXT, "warn": BOOLEAN, "requirements": listed(named("requirement"))})
            ),
            "default": named("rule"),
            "problems": listed(record({"authority": TEXT, "rule": TEXT, "message": TEXT})),
        }
    ),
    "policy explain": record(
        {
            "image": TEXT,
            "trusted": constant(False),
            "rule": TEXT,
            "warn": BOOLEAN,
            "scopes": listed(record({"scope": TEXT, "rule": TEXT})),
            "requirements": listed(named("explained_requirement")),
        }
    ),
}
KEY = {"key_id": TEXT, "type": KEY_TYPE, "fingerprint": DIGEST}


def _summary(verb: str, *more: str) -> Schema:
    labels = dict.fromkeys((verb, *more, *get_args(Label)), COUNT)
    return record({"total": COUNT}, labels, "How many images have which outcome.")


def _documents() -> dict[str, Schema]:
    """The documents of a command that succeeds, and of one that fails, by command."""
    images = {
        "copy": [named("copied_image")],
        "attach": [named("signed_image")],
        "generate-payload": [named("payload")],
        "inspect": [named("inspected_image"), named("partly_inspected_image")],
        "tree": [named("tree"), named("partial_tree")],
        "remove": [named("image_without_signatures"), named("image_with_signatures")],
    }
    images |= {name: [named("changed_trust"), named("unchanged_trust")] for name in TRUST_CHANGES}
    made = {command: [_document(command, {"images": listed(_any(kinds))})] for command, kinds in images.items()}
    for command, (kinds, summary) in FLEETS.items():
        members = {"images": listed(_any(kinds)), "summary": summary}
        made[command] = [_document(command, members), _document(command, {**members, **ERROR})]
    for command, part in BLOBS.items():
        made[command] = [_document(command, {"blobs": listed(named(part))})]
    for command, policy in POLICY.items():
        made[command] = [_document(command, {"policy": policy})]
    made["doctor"] = [_document("doctor", {"findings": listed(named("step"))})]
    made["key generate"] = [_document("key generate", {**KEY, "pem": TEXT})]
    for command in ("generate", "load", "export"):
        made[f"trust key {command}"] = [_document(f"trust key {command}", {**TRUST_KEY, **KEY, "pem": TEXT})]
    private = {**TRUST_KEY, "key_id": TEXT}
    made["trust key export"].append(_document("trust key export", private))
    made["key check"] = [_document("key check", {**KEY, "proof": TEXT})]
    made["key list"] = [
        _document(
            "key list",
            {"keys": listed(record({"uri": TEXT, "type": {"enum": [*KEY_TYPE["enum"], None]}, "detail": TEXT}))},
        )
    ]
    return {command: _any([*kinds, _failure(command)]) for command, kinds in made.items()}


TRUST_KEY = {"name": {"description": "Of the signer.", **TEXT}, "file": TEXT}
TRUST_CHANGES = tuple(f"trust {name}" for name in ("sign", "revoke", "signer add", "signer remove", "init", "rotate"))
"""Commands that change trust data."""
BLOBS = {"attest-blob": "attested_blob", "sign-blob": "signed_blob", "verify-blob": "verified_blob"}
FLEETS = {
    "verify": ([named("verified_image"), named("unverified_image")], _summary("verified")),
    "verify-attestation": ([named("verified_image"), named("unverified_image")], _summary("verified")),
    "sign": ([named("signed_image"), named("unsigned_image")], _summary("signed", "planned")),
    "attest": ([named("attested_image"), named("unattested_image")], _summary("attested", "planned")),
    "trust migrate": (
        [named("migrated_tag"), named("tag_not_migrated")],
        _summary("migrated", *LABELS.values(), EXPIRED, "moved"),
    ),
}
"""Commands for many images: the entries of an image, and the summary."""


def _lines() -> dict[str, Schema]:
    """The lines of `--output jsonl`, by command; the last one may be an error that cut the list of images short."""
    start = {"imagesig": constant(1)}
    lines = {}
    for command, (kinds, _) in FLEETS.items():
        entries = [DEFS[kind["$ref"].rpartition("/")[2]] for kind in kinds]
        images = [_with(entry, {**start, "index": COUNT}) for entry in entries]
        lines[f"{command} line"] = _any([*images, record({**start, **ERROR}, HALF_DONE)])
    return lines


def _with(entry: Schema, members: dict[str, Schema]) -> Schema:
    """The record with further members."""
    required, properties = [*members, *entry["required"]], {**members, **entry["properties"]}
    return {**entry, "required": required, "properties": properties}


def _document(command: str, members: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return record({"imagesig": constant(1), "command": constant(command), **members}, optional)


def _failure(command: str) -> Schema:
    """The document of a command that fails as a whole."""
    results = {"blobs": NO_RESULTS} if command in BLOBS else {"images": NO_RESULTS}
    results = {} if command.startswith(("key ", "policy ", "trust key ")) else results
    optional = HALF_DONE if command in ("sign", "attach", "attest", "trust migrate") else {}
    # The findings of `doctor` are its steps; a failure has none, under the same name.
    return _document(
        command, {**results, **ERROR} if command != "doctor" else {**ERROR, "findings": NO_RESULTS}, optional
    )


def _any(kinds: list[Schema]) -> Schema:
    return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}


def _needed(schema: object) -> set[str]:
    """The names of the parts that a schema refers to, and those that they refer to."""
    if isinstance(schema, list):
        return set().union(*map(_needed, schema))
    if not isinstance(schema, dict):
        return set()
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        return {name} | _needed({**DEFS[name], "properties": {**DEFS[name]["properties"], "children": {}}})
    return _needed(list(schema.values()))


def _file(command: str, schema: Schema) -> Schema:
    needed = _needed(schema)
    asked = command.removesuffix(" line")
    title = f"imagesig {asked} --output json" if asked == command else f"A line of imagesig {asked} --output jsonl"
    parts = {name: part for name, part in DEFS.items() if name in needed}
    return {"$schema": DIALECT, "title": title, **schema, **({"$defs": parts} if parts else {})}


def schemas() -> dict[str, Schema]:
    """Each schema by the name of its command, and by `COMMAND line` for lines."""
    return {command: _file(command, schema) for command, schema in {**_documents(), **_lines()}.items()}


def path_of(command: str) -> Path:
    return FOLDER / f"{command.replace(' ', '-')}.json"


def text_of(schema: Schema) -> str:
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for command, schema in schemas().items():
        path_of(command).write_text(text_of(schema))
