"""Random JSON schemas, values that they allow, and values that are nearly so.

The schemas say everything that a grammar must otherwise guess (types, additional properties, the length of tuples), so
that every tool that reads them reads the same.
"""

import json
import random

NAMES = ("a", "b", "name", "id", "x-y", "é", "na")
WORDS = ("", "a", "ab", "red", 'a "b"', "你好", "x\ny", "back\\slash", "0", "🙂🙂")
PATTERNS = ("^[a-z]{1,4}$", "^a|b$", "^(ab)+c?$", "[0-9]{2}", '^"x"$', "^[^a-z]{2}$", "^\\d+(\\.\\d)?$", "^$")
FORMATS = {
    "date": ("2024-02-29", "2023-12-31", "2023-2-1", "2023-04-31", "x"),
    "time": ("10:00:00Z", "23:59:59.123+01:00", "24:00:00Z", "10:00Z"),
    "date-time": ("2024-02-29T10:00:00Z", "2024-02-29 10:00:00Z", "2021-01-01T00:00:00.5-12:30"),
    "uuid": ("12345678-1234-1234-1234-1234567890ab", "12345678-1234-1234-1234-1234567890a"),
}


def schema(source: random.Random, depth: int = 2) -> dict:
    """A schema together with the definitions that it refers to."""
    made = _schema(source, depth)
    made["$defs"] = {
        "leaf": _schema(source, 0),
        "tree": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/tree"}},
            "required": ["value"],
            "additionalProperties": False,
        },
    }
    return made


def _schema(source: random.Random, depth: int) -> dict:
    kinds = ["string", "integer", "number", "enum", "const", "text", "pattern", "format", "simple", "nullable"]
    inner = ["object", "array", "tuple", "anyOf", "allOf", "oneOf", "$ref", "objects joined"]
    kind = source.choice(kinds if depth == 0 else kinds + 3 * inner)
    return globals()["_" + kind.replace(" ", "_").replace("$", "")](source, depth - 1)


def _string(source, depth):
    return {"type": "string"}


def _text(source, depth):
    least = source.randrange(4)
    return source.choice(
        [
            {"type": "string", "minLength": least},
            {"type": "string", "minLength": least, "maxLength": least + source.randrange(4)},
        ]
    )


def _pattern(source, depth):
    return {"type": "string", "pattern": source.choice(PATTERNS)}


def _format(source, depth):
    return {"type": "string", "format": source.choice(list(FORMATS))}


def _integer(source, depth):
    low, high = sorted(source.choices((-1000, -17, -1, 0, 1, 9, 10, 255, 12345), k=2))
    bounds = {
        source.choice(("minimum", "exclusiveMinimum")): low,
        source.choice(("maximum", "exclusiveMaximum")): high + 2,
    }
    return {"type": "integer", **dict(source.sample(list(bounds.items()), source.randrange(3)))}


def _number(source, depth):
    low, high = sorted(source.choices((-10.5, -1, -0.25, 0, 0.125, 1, 2.5, 100), k=2))
    bounds = {
        source.choice(("minimum", "exclusiveMinimum")): low,
        source.choice(("maximum", "exclusiveMaximum")): high + 1,
    }
    return {"type": "number", **dict(source.sample(list(bounds.items()), source.randrange(3)))}


def _enum(source, depth):
    values = [*WORDS, 1, -2.5, True, None, [1, "a"], {"k": [None]}]
    return {"enum": source.sample(values, source.randint(1, 4))}


def _const(source, depth):
    return {"const": source.choice([*WORDS, 0, False, [], {}])}


def _simple(source, depth):
    return {"type": source.choice(["boolean", "null"])}


def _nullable(source, depth):
    return {"type": ["integer", "null"]}


def _object(source, depth):
    names = source.sample(NAMES, source.randint(0, 4))
    return {
        "type": "object",
        "properties": {name: _schema(source, depth) for name in names},
        "required": [name for name in names if source.random() < 0.5],
        "additionalProperties": source.choice([False, False, True, {"type": "integer"}]),
    }


def _array(source, depth):
    least = source.randrange(3)
    made = {"type": "array", "items": _schema(source, depth), "minItems": least}
    return made | ({"maxItems": least + source.randrange(3)} if source.random() < 0.5 else {})


def _tuple(source, depth):
    count = source.randint(1, 3)
    rest = source.choice([False, {"type": "boolean"}])
    prefix = [_schema(source, depth) for _ in range(count)]
    return {"type": "array", "prefixItems": prefix, "items": rest, "minItems": source.randint(0, count)}


def _anyOf(source, depth):
    return {"anyOf": [_schema(source, depth) for _ in range(source.randint(1, 3))]}


def _oneOf(source, depth):
    return {"oneOf": [{"type": "integer"}, {"type": "array", "items": _schema(source, depth)}, {"const": "none"}]}


def _allOf(source, depth):
    return {"allOf": [_integer(source, depth), {"type": ["number", "string"], "maximum": 500}]}


def _objects_joined(source, depth):
    first, second = source.sample(NAMES, 2)
    tag = {"type": "object", "properties": {first: {"type": "string"}}, "required": [first]}
    return {
        "allOf": [
            tag,
            {
                "type": "object",
                "properties": {first: {"maxLength": 3}, second: {"type": "null"}},
                "additionalProperties": False,
            },
        ]
    }


def _ref(source, depth):
    return {"$ref": source.choice(["#/$defs/leaf", "#/$defs/tree"])}


def value(source: random.Random, schema, whole: dict, depth: int = 0):
    """A value that the schema allows, or nearly."""
    if isinstance(schema, bool) or source.random() < 0.03:
        return source.choice([0, "a", None, [], {"a": 1}, 17, -0.5, True])
    if "$ref" in schema:
        return value(source, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            chosen = source.choice(schema[keyword])
            if keyword == "allOf" and all("properties" in each for each in schema[keyword]):
                chosen = {
                    **chosen,
                    "properties": {**schema[keyword][0]["properties"], **schema[keyword][1]["properties"]},
                }
            return value(source, chosen, whole, depth)
    if "enum" in schema or "const" in schema:
        return source.choice(schema.get("enum", [schema.get("const")]))
    if "pattern" in schema:
        return source.choice(["abc", "b", "ab", "ababc", "x12y", '"x"', "AB", "12.5", "7", "", "a", "zz"])
    if "format" in schema:
        return source.choice(FORMATS[schema["format"]])
    kind = schema.get("type", "string")
    return _of_type(source, source.choice(kind) if isinstance(kind, list) else kind, schema, whole, depth)


def _of_type(source, kind, schema, whole, depth):
    if kind == "string":
        return source.choice(WORDS)
    if kind in ("integer", "number"):
        near = [schema[key] + source.choice((-1, 0, 0, 1)) for key in schema if key.startswith(("min", "max", "excl"))]
        number = source.choice([*near, source.randint(-20, 20), source.randint(-2000, 20000)])
        return int(number) if kind == "integer" else source.choice([number, number + 0.5, number - 0.125])
    if kind == "object":
        kept = {
            name: value(source, inner, whole, depth + 1)
            for name, inner in schema.get("properties", {}).items()
            if source.random() < (0.9 if name in schema.get("required", ()) else 0.5 if depth < 4 else 0)
        }
        return kept | ({source.choice(("zz", "nam", "abc")): source.choice([1, "q"])} if source.random() < 0.2 else {})
    if kind == "array":
        prefix, rest = schema.get("prefixItems", []), schema.get("items", True)
        count = source.randint(max(schema.get("minItems", 0) - 1, 0), schema.get("minItems", 0) + 2)
        return [value(source, (prefix[at : at + 1] or [rest])[0], whole, depth + 1) for at in range(count)]
    return source.choice([True, False]) if kind == "boolean" else None


def text(source: random.Random, made: dict) -> str:
    """A JSON text near the schema: a value as it is written usually, sometimes with a letter wrong."""
    separators = source.choice([(",", ":"), (", ", ": ")])
    written = json.dumps(value(source, made, made), ensure_ascii=False, separators=separators)
    if source.random() < 0.2 and written:
        at = source.randrange(len(written))
        written = source.choice(
            [written[:at] + written[at + 1 :], written[:at] + source.choice('"0,}]a-') + written[at:]]
        )
    return written
