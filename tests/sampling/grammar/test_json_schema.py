"""JSON schemas: what the grammar allows is valid, and errors and warnings say what is wrong."""

import json
import os
import re
import warnings

import jsonschema
import pytest

from refllm.sampling.grammar import Grammar, GrammarError, json_schema_to_gbnf, matches, parse
from refllm.sampling.grammar.automaton import Automaton
from tests.sampling.grammar import schemas
from tests.sampling.grammar.vocabularies import BYTES, JSON_PIECES, make
from tests.sampling.grammar.walks import seeded, walk

RUNS = 500 if os.environ.get("REFLLM_LONG") else 8
CHECKER = jsonschema.FormatChecker(["date", "uuid", "date-time"])


def test_random_texts_are_valid():
    """500 of 500 with REFLLM_LONG=1: random schemas, a random text for each, drawn at temperature 1.5."""
    tokenizer = make([*(byte for byte in BYTES if byte[0] >= 0x20 or byte == b"\n"), *JSON_PIECES])
    for run in range(RUNS):
        schema = schemas.schema(seeded("validates", run))
        text = walk(Grammar.from_json_schema(schema, tokenizer), run)
        jsonschema.validate(json.loads(text), schema, format_checker=CHECKER)


def reader(schema) -> Automaton:
    return Automaton(parse(json_schema_to_gbnf(schema)))


def check(schema, yes: list[str], no: list[str]) -> None:
    automaton = reader(schema)
    assert [text for text in yes if not automaton.accepts(text)] == []
    assert [text for text in no if automaton.accepts(text)] == []


def test_any_value():
    check({}, ["1", '{"a": [null, true, -1.5e3]}', '""', "{}", "[ ]"], ["", " 1", "1 ", "a", "[1,]"])
    check(True, ["1"], [""])
    check({"title": "x", "description": "y"}, ["1"], [""])


def test_strings():
    yes = ['"a"', '"\\n\\"\\\\\\/"', '"\\u0041"', '"\\ud83d\\ude00"', '"🙂"', '"é"']
    no = ['"', '"\n"', '"\x7f"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\x"']
    check({"type": "string"}, yes, no)
    one = [text for text in yes if len(json.loads(text)) == 1]
    check({"type": "string", "maxLength": 1}, [*one, '""'], ['"ab"', '"🙂🙂"'])
    check({"minLength": 2, "maxLength": 3}, ['"ab"', '"a\\u0041🙂"'], ['"a"', '"\\ud83d\\ude00"', '"abcd"'])
    check({"type": "string", "maxLength": 900_000}, ['"' + "a" * 50 + '"'], ["1"])


def test_patterns():
    check({"pattern": "b+"}, ['"b"', '"abba"'], ['"a"', '""'])
    check({"pattern": '^["\\\\\n]$'}, ['"\\""', '"\\\\"', '"\\n"'], ['"""', '"\n"'])
    check({"pattern": "^.$"}, ['"a"', '"\\u0001"', '"\\t"'], ['"\\n"', '"\\u0041"'])
    check({"pattern": "^a|b$"}, ['"ax"', '"xb"'], ['"xa"', '"bx"'])


def test_formats():
    check(
        {"format": "date"},
        ['"2024-02-29"', '"2000-02-29"', '"2023-12-31"'],
        ['"2023-02-29"', '"1900-02-29"', '"2023-04-31"'],
    )
    check({"format": "time"}, ['"10:00:00Z"', '"23:59:59.5+01:30"'], ['"10:00:00"', '"24:00:00Z"', '"10:00:60Z"'])
    check({"format": "date-time"}, ['"2024-02-29T10:00:00Z"'], ['"2024-02-29 10:00:00Z"', '"2024-02-29"'])
    check({"format": "uuid"}, ['"12345678-1234-1234-1234-1234567890aB"'], ['"1234"'])
    check({"type": "string", "format": "color"}, ['"red"'], ["1"])


def test_bounds():
    check({"type": "integer", "exclusiveMinimum": 0, "maximum": 12}, ["1", "12"], ["0", "13", "01", "-1", "-0", "1.0"])
    check({"type": "integer", "minimum": 0.5, "maximum": 2.5}, ["1", "2"], ["0", "3"])
    check({"minimum": 0, "exclusiveMinimum": True}, ["0.5", "1"], ["0", "0.0", "-1"])
    check({"type": "number", "minimum": -0.25, "exclusiveMaximum": 10}, ["-0.25", "9.99", "0"], ["-0.26", "10", "10.0"])
    check({"type": "number", "minimum": 1e-7}, ["0.0000001", "1"], ["0.00000009", "0"])


def test_objects():
    schema = {"properties": {"a": {"type": "integer"}, "b": {"const": 1}, "c": {"type": "null"}}, "required": ["b"]}
    yes = ['{"b":1}', '{"a": 2, "b": 1}', '{ "a":2,"b":1, "c":null }', '{"b":1,"c":null}']
    check(
        schema, yes, ["{}", '{"b":1,"a":2}', '{"a":2}', '{"b":1,"d":1}', '{"a":2,"b":1,}', '{"a" 2}', '{,"b":1}', "3"]
    )
    check({"type": "object"}, ["{}", '{"x": [1]}'], ["[]"])
    check({"type": "object", "additionalProperties": False}, ["{}", "{ }"], ['{"a":1}'])
    check({"required": ["x"], "properties": {"a": True}}, ['{"x":1}', '{"a":1,"x":2}'], ['{"a":1}', '{"x":1,"y":2}'])
    check({"properties": {"a": False, "b": {"type": "null"}}}, ["{}", '{"b":null}'], ['{"a":1}'])


def test_additional_properties_have_other_names():
    schema = {
        "properties": {"and": {"const": 1}, "also": {"const": 1}, "": {"const": 1}},
        "additionalProperties": {"const": 0},
    }
    names = ("a", "an", "andy", "x", "al", "alsof", "amd", "é")
    check(schema, ['{"and":1,"also":1}', *(f'{{"{name}":0}}' for name in names), '{"and":1,"x":0,"y":0}'], [])
    check(schema, [], ['{"and":0}', '{"also":0}', '{"":0}', '{"\\u0061nd":0}', '{"x":1}', '{"x":0,"and":1}'])


def test_many_optional_properties():
    names = [f"p{number}" for number in range(30)]
    grammar = json_schema_to_gbnf({"properties": {name: {"type": "null"} for name in names}})
    assert len(grammar) < 10_000
    assert matches(grammar, json.dumps(dict.fromkeys(names[::4])))
    assert not matches(grammar, json.dumps(dict.fromkeys(names[6::-2])))


def test_arrays():
    check(
        {"items": {"type": "null"}, "minItems": 1, "maxItems": 2},
        ["[null]", "[null,null]", "[ null, null ]"],
        ["[]", "[null,null,null]"],
    )
    check({"type": "array", "maxItems": 0}, ["[]", "[ ]"], ["[1]"])
    check({"type": "array", "minItems": 2, "maxItems": 1, "items": {}} | {"minItems": 0}, ["[]", "[1]"], ["[1,1]"])
    tuple_of_two = {"prefixItems": [{"type": "null"}, {"type": "boolean"}]}
    check(tuple_of_two, ["[null,true]"], ["[]", "[null]", "[null,true,1]"])
    check({**tuple_of_two, "minItems": 0}, ["[]", "[null]", "[null,true]"], ["[null,true,1]", "[true]"])
    check({**tuple_of_two, "minItems": 1, "items": {"const": 0}}, ["[null]", "[null,true,0,0]"], ["[]", "[null,0]"])
    check({**tuple_of_two, "maxItems": 1}, ["[null]"], ["[null,true]"])
    check({"items": [{"type": "null"}], "additionalItems": {"const": 1}}, ["[null]", "[null,1]"], ["[]", "[null,2]"])
    check({"prefixItems": [True, False], "minItems": 0, "items": True}, ["[]", "[1]"], ["[1,2]"])


def test_choices():
    check({"enum": ["a", 1, None, {"k": [1, 2]}]}, ['"a"', "1", "null", '{"k":[1,2]}', '{ "k": [1, 2] }'], ['"b"', "2"])
    check({"const": "é\n"}, ['"é\\n"'], ['"\\u00e9\\n"'])
    check({"enum": ["a", "abc", 1, 2.5], "type": ["string", "integer"], "maxLength": 2}, ['"a"', "1"], ['"abc"', "2.5"])
    check({"type": ["integer", "null"]}, ["1", "null"], ["1.5", '"a"'])
    check({"type": ["integer", "number"]}, ["1", "1.5"], ['"a"'])
    check({"anyOf": [{"type": "null"}, False]}, ["null"], ["1"])


def test_all_of():
    check(
        {"allOf": [{"type": "number", "minimum": 2}, {"type": "integer"}, {"maximum": 9}]},
        ["2", "9"],
        ["1", "10", "2.5"],
    )
    check({"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}, {"not": {}, "enum": [3]}][:2]}, ["2", "3"], ["1", "4"])
    first = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    second = {"properties": {"a": {"maxLength": 1}, "b": {"type": "null"}}}
    check({"allOf": [first, second]}, ['{"a":"x"}', '{"a":"x","b":null}'], ['{"a":"xy"}', '{"b":null}'])
    closed = {**first, "additionalProperties": False}
    check({"allOf": [closed, second]}, ['{"a":"x"}'], ['{"a":"x","b":null}'])
    beside = {
        "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    check(beside, ['{"a":null}', '{"b":null}', '{"a":null,"b":null}'], ["{}"])
    check(
        {"allOf": [{"prefixItems": [{"type": "integer"}]}, {"items": {"minimum": 5}}], "minItems": 2},
        ["[5,6]"],
        ["[4,6]", '["a",6]'],
    )


def test_references():
    tree = {
        "$defs": {"node": {"properties": {"v": {"type": "null"}, "next": {"$ref": "#/$defs/node"}}}},
        "$ref": "#/$defs/node",
    }
    check(tree, ["{}", '{"next":{"next":{"v":null}}}'], ['{"next":1}'])
    check({"properties": {"me": {"$ref": "#"}}}, ['{"me":{"me":{}}}'], ['{"me":1}'])
    check(
        {"$id": "http://x.y/z", "definitions": {"a/b %": {"const": 1}}, "$ref": "http://x.y/z#/definitions/a~1b%20%25"},
        ["1"],
        ["2"],
    )
    check({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 3}, ["3"], ["2"])
    check({"anyOf": [{"const": 1}, {"items": {"$ref": "#/anyOf/0"}}]}, ["1", "[1,1]"], ["[2]"])


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "not JSON"),
        ("[]", "the schema is []"),
        ("3", "the schema is 3"),
        ({"type": "kaboom"}, "type is 'kaboom'; expected one of object, array"),
        ({"type": 123}, "type is 123"),
        ({"properties": []}, "properties is []"),
        ({"properties": {"a": 1}}, "'a' is 1"),
        ({"required": [1]}, "required is not a list of names"),
        ({"minLength": -1}, "minLength is -1"),
        ({"minimum": True}, "minimum is"),
        ('{"minimum": Infinity}', "minimum is inf"),
        ({"anyOf": {}}, "anyOf is {}"),
        ({"anyOf": [3]}, "is 3"),
        ({"$ref": "http://elsewhere/x"}, "expected one within the schema"),
        ({"$ref": "#/$defs/none"}, "there is no '$defs'"),
        ({"$ref": 3}, "$ref is not a text"),
        ({"pattern": "(a"}, "regular expression '(a'"),
        ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "two values of pattern"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/a", "minimum": 1}}, "$ref": "#/$defs/a", "maximum": 2},
            "is defined by itself",
        ),
        ({"$ref": "#"}, "left recursion"),
        (False, "no text of finite length"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "no text of finite length"),
        ({"properties": {"me": {"$ref": "#"}}, "required": ["me"]}, "no text of finite length"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "no text of finite length"),
        ({"allOf": [{"anyOf": [{"minLength": n} for n in range(20)]}] * 4}, "more than 256 combinations"),
    ],
)
def test_errors(schema, message):
    with pytest.raises(GrammarError, match=re.escape(message)):
        reader(schema)


def test_depth_has_a_limit():
    schema = {"type": "null"}
    for _ in range(500):
        schema = {"items": schema}
    with pytest.raises(GrammarError, match="too deep"):
        reader(schema)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "array", "uniqueItems": True}, "root: uniqueItems"),
        ({"properties": {"a": {"multipleOf": 3, "type": "integer"}}}, "root-a: multipleOf"),
        ({"pattern": "(?=a)a"}, "root: pattern '(?=a)a'"),
        ({"pattern": "a", "minLength": 3}, "root: minLength and maxLength beside pattern"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "root: oneOf (taken as anyOf)"),
        ({"oneOf": [{"type": ["object", "null"]}, {"type": "null"}]}, "root: oneOf"),
    ],
)
def test_what_is_not_enforced_is_said(schema, named):
    with pytest.warns(UserWarning, match=re.escape("not enforced: " + named)):
        json_schema_to_gbnf(schema)


def test_one_of_without_overlap_needs_no_warning():
    tagged = [{"properties": {"kind": {"const": kind}}, "required": ["kind"], "type": "object"} for kind in ("a", "b")]
    for options in (tagged, [{"const": 1}, {"const": 2}], [{"type": "integer"}, {"const": "x"}]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            json_schema_to_gbnf({"oneOf": options})
