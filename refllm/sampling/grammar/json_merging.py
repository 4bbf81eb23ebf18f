"""One JSON schema out of several that hold at once: `allOf`, `$ref` with neighbours, `anyOf` beside other keywords.

A schema of many layers becomes a list of flat ones, any of which may hold: no `$ref`, `allOf`, `anyOf`, `oneOf` at its
top, and every keyword as strict as the strictest of its sources. What lies inside (properties, items) is left as it
is, joined by an `allOf` where two sources speak of the same, and is flattened when its turn comes; so a schema may
refer to itself further down.

>>> flat_schemas({"allOf": [{"minimum": 1}, {"minimum": 3, "type": "integer"}]}, {})
[{'minimum': 3, 'type': ['integer']}]
>>> flat_schemas({"anyOf": [{"type": "string"}, {"type": "number"}], "type": ["integer", "null"]}, {})
[{'type': ['integer']}]
"""

import json
import math
import urllib.parse

from refllm.sampling.grammar.rules import GrammarError

Schema = dict | bool

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
SHAPES = {  # what the value of a keyword must be
    "type": (str, list), "enum": list, "properties": dict, "required": list, "items": (dict, bool, list),
    "prefixItems": list, "additionalItems": (dict, bool), "additionalProperties": (dict, bool), "pattern": str,
    "format": str, "$ref": str, "allOf": list, "anyOf": list, "oneOf": list,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), int),
    **dict.fromkeys(("minimum", "maximum"), (int, float)),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), (int, float, bool)),
}  # fmt: skip
LARGEST = ("minLength", "minItems", "minimum", "exclusiveMinimum")
SMALLEST = ("maxLength", "maxItems", "maximum", "exclusiveMaximum")
INSIDE = ("properties", "additionalProperties", "items", "prefixItems", "additionalItems")
MAX_FLAT = 256


def flat_schemas(schema: Schema, document: Schema, within: tuple[str, ...] = ()) -> list[dict]:
    """The flat schemas of which one must hold; none: nothing is allowed. `within` are the references being followed."""
    if isinstance(schema, bool):
        return [{}] if schema else []
    check_shapes(schema)
    own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
    found = [_normal(own)]
    reference = schema.get("$ref")
    if reference in within:
        raise GrammarError(f"JSON schema: {reference} is defined by itself; expected a type or properties in between")
    if reference is not None:
        found = _both(found, flat_schemas(resolve(reference, document), document, (*within, reference)))
    for each in schema.get("allOf", []):
        found = _both(found, flat_schemas(each, document, within))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            options = [flat for each in schema[keyword] for flat in flat_schemas(each, document, within)]
            found = _both(found, options)
    return found


def resolve(reference: str, document: Schema) -> Schema:
    """What a `$ref` points to."""
    base = document.get("$id", "") if isinstance(document, dict) else ""
    path = reference.removeprefix(base) if isinstance(base, str) else reference
    if path not in ("", "#") and not path.startswith("#/"):
        raise GrammarError(f"JSON schema: $ref {reference!r}; expected one within the schema, like #/$defs/name")
    target = document
    for part in path.split("/")[1:]:
        key = urllib.parse.unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and key.isdecimal() and int(key[:9]) < len(target):
            target = target[int(key)]
        elif isinstance(target, dict) and key in target:
            target = target[key]
        else:
            raise GrammarError(f"JSON schema: $ref {reference!r}: there is no {key!r}")
    return checked_schema(target, reference)


def checked_schema(schema, where: str) -> Schema:
    if not isinstance(schema, dict | bool):
        raise GrammarError(f"JSON schema: {where} is {_short(schema)}; expected an object, true or false")
    return schema


def check_shapes(schema: dict) -> None:
    for key, shape in SHAPES.items():
        value = schema.get(key)
        if isinstance(value, float) and not math.isfinite(value):
            raise GrammarError(f"JSON schema: {key} is {value}; expected a finite number")
        if isinstance(value, bool) and key in ("minimum", "maximum"):
            value = None
        if key in schema and (
            not isinstance(value, shape) or (shape is int and (isinstance(value, bool) or value < 0))
        ):
            raise GrammarError(f"JSON schema: {key} is {_short(value)}; not what the keyword takes")
    types = schema.get("type", [])
    for name in [types] if isinstance(types, str) else types:
        if name not in TYPES:
            raise GrammarError(f"JSON schema: type is {_short(name)}; expected one of {', '.join(TYPES)}")
    inner = {**{key: schema[key] for key in INSIDE if key in schema}, **schema.get("properties", {})}
    inner.pop("properties", None)
    lists = [schema.get(key, []) for key in ("allOf", "anyOf", "oneOf", "prefixItems")]
    for key, value in [*inner.items(), *((key, each) for each in lists for key, each in enumerate(each))]:
        for each in value if isinstance(value, list) and key in ("items", "prefixItems") else [value]:
            checked_schema(each, f"{key!r}")
    if not all(isinstance(name, str) for name in schema.get("required", [])):
        raise GrammarError("JSON schema: required is not a list of names")


def _short(value) -> str:
    return repr(value)[:60]


def _normal(schema: dict) -> dict:
    """The same, with `const` as an `enum`, `type` as a list, draft 4's bounds and lists of items as today's."""
    flat = dict(schema)
    if "const" in flat:
        values = [flat.pop("const")]
        flat["enum"] = [value for value in values if "enum" not in flat or value in flat["enum"]]
    if isinstance(flat.get("type"), str):
        flat["type"] = [flat["type"]]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flat.get(exclusive), bool) and flat.pop(exclusive) and bound in flat:
            flat[exclusive] = flat.pop(bound)
    if isinstance(flat.get("items"), list):
        flat["prefixItems"] = flat.pop("items")
        if "additionalItems" in flat:
            flat["items"] = flat.pop("additionalItems")
    return flat


def _both(first: list[dict], second: list[dict]) -> list[dict]:
    """The flat schemas of which one holds, when one of each list must."""
    if len(first) * len(second) > MAX_FLAT:
        raise GrammarError(f"JSON schema: more than {MAX_FLAT} combinations of anyOf and oneOf; expected fewer")
    pairs = (_merged(one, other) for one in first for other in second)
    return [flat for flat in pairs if flat.get("type") != [] and flat.get("enum") != []]


def _merged(first: dict, second: dict) -> dict:
    flat = {**second, **first}
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        if key in LARGEST:
            flat[key] = max(one, other)
        elif key in SMALLEST:
            flat[key] = min(one, other)
        elif key == "type":
            flat[key] = _common_types(one, other)
        elif key == "enum":
            texts = {json.dumps(value, sort_keys=True) for value in other}
            flat[key] = [value for value in one if json.dumps(value, sort_keys=True) in texts]
        elif key == "required":
            flat[key] = one + [name for name in other if name not in one]
        elif key in ("pattern", "format") and one != other:
            raise GrammarError(f"JSON schema: two values of {key} hold at once, {_short(one)} and {_short(other)}")
    if "properties" in first or "properties" in second:
        flat["properties"] = _merged_properties(first, second)
    if "additionalProperties" in first and "additionalProperties" in second:
        flat["additionalProperties"] = _all_of(first["additionalProperties"], second["additionalProperties"])
    if "prefixItems" in first or "prefixItems" in second:
        flat["prefixItems"] = _merged_prefix(first, second)
    if "items" in first and "items" in second:
        flat["items"] = _all_of(first["items"], second["items"])
    return flat


def _common_types(first: list[str], second: list[str]) -> list[str]:
    allowed = set(second) | ({"integer"} if "number" in second else set())
    found = [name for name in first if name in allowed]
    if "number" in first and "number" not in second and "integer" in second and "integer" not in found:
        found.append("integer")
    return found


def _merged_properties(first: dict, second: dict) -> dict:
    """Every property of either; a schema that does not name it says what it says of additional ones."""
    names = {**first.get("properties", {}), **second.get("properties", {})}

    def said(schema: dict, name: str) -> Schema:
        return schema.get("properties", {}).get(name, schema.get("additionalProperties", True))

    return {name: _all_of(said(first, name), said(second, name)) for name in names}


def _merged_prefix(first: dict, second: dict) -> list[Schema]:
    count = max(len(first.get("prefixItems", [])), len(second.get("prefixItems", [])))

    def said(schema: dict, index: int) -> Schema:
        prefix = schema.get("prefixItems", [])
        return prefix[index] if index < len(prefix) else schema.get("items", True)

    return [_all_of(said(first, index), said(second, index)) for index in range(count)]


def _all_of(first: Schema, second: Schema) -> Schema:
    if isinstance(first, bool):
        return second if first else False
    if isinstance(second, bool):
        return first if second else False
    return first if first == second else {"allOf": [first, second]}
