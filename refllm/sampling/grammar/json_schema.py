r"""JSON schemas to GBNF: a grammar of JSON texts that the schema allows.

Understood: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`,
`minItems`, `maxItems`, `minLength`, `maxLength`, `pattern`, `format` (`date`, `time`, `date-time`, `uuid`), bounds of
integers and numbers, `anyOf`, `oneOf`, `allOf`, `$ref` within the schema (recursive too), `true` and `false`.

What a grammar allows is part of what the schema allows, never more, except for what it says it cannot do: keywords that
no grammar of reasonable size expresses (`uniqueItems`, `not`, ...) are named in a warning, and `oneOf` counts as
`anyOf`, with a warning where two of its options could hold at once. It is *less* than the schema allows where that is
how a text is meant: properties come in the order of the schema, those that it does not name only if
`additionalProperties` says so, a tuple (`prefixItems`) is complete unless `minItems` says otherwise, keywords for
objects mean that it is an object. White space is a blank, or one or two line ends and an indent.

Against llama.cpp's converter: properties keep the schema's order also when optional ones stand before required ones
(there all required ones come first), patterns need no anchors and may match quotes, numbers of any type have bounds,
integers never begin with a zero, no string holds half a character.

>>> person = {"properties": {"age": {"type": "integer", "minimum": 0, "maximum": 130}, "alive": {"type": "boolean"}}}
>>> print(json_schema_to_gbnf({**person, "required": ["age"]}))
root ::= "{" space "\"age\"" space ":" space root-age ("," space "\"alive\"" space ":" space boolean)? space "}"
root-age ::= ([0-9] | [1-9] [0-9] | "1" ([0-2] [0-9] | "30"))
space ::= (" " | "\n"{1,2} [ \t]{0,20})?
boolean ::= "true" | "false"
"""

import decimal
import json
import re
import warnings

from refllm.sampling.grammar import gbnf, json_numbers, json_strings
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.code_points import difference
from refllm.sampling.grammar.json_merging import TYPES, Schema, checked_schema, flat_schemas, resolve
from refllm.sampling.grammar.notation import (
    NOTHING,
    NOTHING_RULE,
    characters,
    choice,
    group,
    literal,
    repeated,
    rule,
    sequence,
)
from refllm.sampling.grammar.regular_expressions import NotExpressible
from refllm.sampling.grammar.rules import GrammarError

MAX_RULES = 20_000
MAX_DEPTH = 64

COMMON_RULES = {
    "space": '(" " | "\\n"{1,2} [ \\t]{0,20})?',
    "character": json_strings.CHARACTER,
    "plain": json_strings.PLAIN_CHARACTER,
    "string": json_strings.ANY_STRING,
    "integer": json_numbers.ANY_INTEGER,
    "number": json_numbers.ANY_NUMBER,
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" space (member ("," space member)*)? space "}"',
    "member": 'string space ":" space value',
    "array": '"[" space (value ("," space value)*)? space "]"',
    NOTHING: NOTHING_RULE.partition(" ::= ")[2],
}
KEYWORDS_OF = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
NOT_ENFORCED = (
    "multipleOf", "uniqueItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties",
    "patternProperties", "propertyNames", "dependencies", "dependentRequired", "dependentSchemas", "not", "if",
    "unevaluatedItems", "unevaluatedProperties", "$dynamicRef",
)  # fmt: skip
NO_ASSERTION = ("title", "description", "default", "examples", "deprecated", "$comment", "$schema", "$id", "$defs")
NO_ASSERTION += ("definitions",)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]')
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def json_schema_to_gbnf(schema: Schema | str) -> str:
    """The grammar of a schema, given as an object or as its JSON text."""
    if isinstance(schema, str):
        schema = _read(schema)
    converter = _Converter(schema)
    try:
        converter.rules["root"] = converter.any_of(schema, "root")
    except RecursionError:
        raise GrammarError(f"JSON schema: too deep; expected {MAX_DEPTH} levels at most") from None
    if converter.not_enforced:
        warnings.warn("JSON schema: not enforced: " + ", ".join(converter.not_enforced), stacklevel=2)
    return converter.text()


def _read(text: str) -> Schema:
    try:
        return checked_schema(json.loads(text), "the schema")
    except (ValueError, RecursionError) as error:
        raise GrammarError(f"JSON schema: not JSON: {error}") from None


class _Converter:
    """The rules made so far. What its functions return is one item of GBNF, what they are given to name are rules."""

    def __init__(self, document: Schema):
        self.document = document
        self.rules: dict[str, str] = {"root": NOTHING}
        self.references: dict[str, str] = {}  # what a $ref says -> its rule
        self.not_enforced: dict[str, None] = {}
        self.depth = 0

    def text(self) -> str:
        """The rules that were made, with the common ones that they use."""
        used, todo = dict(self.rules), list(self.rules.values())
        for expression in todo:
            for name in re.findall("[a-z]+", QUOTED.sub("", expression)):
                if name in COMMON_RULES and name not in used:
                    used[name] = COMMON_RULES[name]
                    todo.append(used[name])
        return "\n".join(rule(name, expression) for name, expression in used.items())

    def add(self, name: str, expression: str) -> str:
        """A rule of this name, or of one like it; its name."""
        if re.fullmatch("[a-zA-Z0-9-]+", expression):
            return expression  # a rule already
        name = self.free_name(name)
        self.rules[name] = expression
        return name

    def free_name(self, name: str) -> str:
        name = re.sub("[^a-zA-Z0-9]+", "-", name)[:80]
        number, free = 1, name
        while free in self.rules or free in COMMON_RULES:
            number, free = number + 1, f"{name}-{number}"
        if len(self.rules) > MAX_RULES:
            raise GrammarError(f"JSON schema: more than {MAX_RULES} rules; expected a smaller schema")
        self.rules[free] = NOTHING
        return free

    def visit(self, schema: Schema, name: str) -> str:
        """An item for a schema inside the whole one."""
        return self.add(name, self.any_of(schema, name))

    def any_of(self, schema: Schema, name: str) -> str:
        """An expression for a schema."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise GrammarError(f"JSON schema: too deep; expected {MAX_DEPTH} levels at most")
        asserting = set() if isinstance(schema, bool) else schema.keys() - set(NO_ASSERTION)
        if asserting == {"$ref"}:
            expression = self.reference(schema["$ref"])
        elif asserting in ({"anyOf"}, {"oneOf"}) and isinstance(options := schema[asserting.pop()], list):
            named = [checked_schema(each, f"option {number} of {name}") for number, each in enumerate(options)]
            expression = choice([self.visit(each, f"{name}-{number}") for number, each in enumerate(named)])
        else:
            flat = flat_schemas(schema, self.document)
            expression = choice(
                [self.flat(each, f"{name}-{number}" if number else name) for number, each in enumerate(flat)]
            )
        if isinstance(schema, dict) and "oneOf" in schema and self.may_overlap(schema["oneOf"]):
            self.not_enforced[f"{name}: oneOf (taken as anyOf)"] = None
        self.depth -= 1
        return expression

    def reference(self, reference) -> str:
        if not isinstance(reference, str):
            raise GrammarError("JSON schema: $ref is not a text; expected one like #/$defs/name")
        if reference not in self.references:
            target = resolve(reference, self.document)
            name = self.references[reference] = self.free_name("ref-" + reference.rpartition("/")[2])
            depth, self.depth = self.depth, 0
            self.rules[name] = self.any_of(target, name)
            self.depth = depth
        return self.references[reference]

    def may_overlap(self, options: list[Schema]) -> bool:
        """Whether a value may fit two options, as far as can be seen from their types and fixed values."""
        marks = [[_marks(flat) for flat in flat_schemas(option, self.document)] for option in options]
        return any(
            not any(one.get(key, set()).isdisjoint(other.get(key, one.get(key, {None}))) for key in one)
            for number, earlier in enumerate(marks)
            for later in marks[number + 1 :]
            for one in earlier
            for other in later
        )

    def flat(self, schema: dict, name: str) -> str:
        """A schema without references and combinations."""
        for keyword in NOT_ENFORCED:
            if schema.get(keyword, False) not in (False, 0, {}):
                self.not_enforced[f"{name}: {keyword}"] = None
        if "enum" in schema:
            return self.enumeration(schema, name)
        types = _types(schema)
        if set(types) >= set(TYPES) - {"integer"} and not any(
            key in schema for keys in KEYWORDS_OF.values() for key in keys
        ):
            return "value"
        make = {"object": self.object, "array": self.array, "string": self.string, "number": self.number}
        make |= {"integer": self.integer, "boolean": lambda *_: "boolean", "null": lambda *_: "null"}
        several = len(types) > 1
        return choice([make[kind](schema, f"{name}-{kind}" if several else name) for kind in types])

    def enumeration(self, schema: dict, name: str) -> str:
        rest = {key: value for key, value in schema.items() if key != "enum" and key not in NO_ASSERTION}
        values = [value for value in schema["enum"] if _has_type(value, _types(rest))]
        if rest.keys() - {"type"}:
            others = Automaton(gbnf.parse(_quietly(rest, self.document)))
            values = [value for value in values if others.accepts(json.dumps(value, ensure_ascii=False))]
        return choice([self.constant(value) for value in values])

    def constant(self, value) -> str:
        if isinstance(value, list):
            return _enclosed("[", _with_commas([self.constant(each) for each in value]), "]")
        if isinstance(value, dict):
            members = [sequence([_key(key), self.constant(each)]) for key, each in value.items()]
            return _enclosed("{", _with_commas(members), "}")
        return literal(json.dumps(value, ensure_ascii=False))

    def object(self, schema: dict, name: str) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties", not properties)
        if additional is True and not properties and not required:
            return "object"
        missing = {key: schema.get("additionalProperties", True) for key in required if key not in properties}
        members = [
            (sequence([_key(key), self.visit(value, f"{name}-{key}")]), key in required)
            for key, value in {**properties, **missing}.items()
        ]
        members = [(member, needed) for member, needed in members if member != NOTHING or needed]
        more = self.additional(additional, [*properties, *missing], name)
        return _enclosed("{", self.members(members, more, name), "}")

    def members(self, members: list[tuple[str, bool]], more: str, name: str) -> str:
        """Members in this order, those that are not needed left out or not, then any number of `more`."""
        after = repeated(group(sequence(['"," space', more])), 0, None) if more != NOTHING else ""
        alone = [sequence([more, after]), ""]  # when no member has come before
        for number, (member, needed) in reversed([*enumerate(members)]):
            if number and after and not any(needed for _, needed in members[:number]):
                after = self.add(f"{name}-more-{number}", after)  # used twice: a rule of its own
            alone = [sequence([member, after])] + ([] if needed else alone)
            with_comma = sequence(['"," space', member])
            after = sequence([with_comma if needed else f"({with_comma})?", after])
        return choice(alone)

    def additional(self, schema: Schema, names: list[str], name: str) -> str:
        """A member whose name is none of these."""
        value = self.visit(schema, f"{name}-value")
        if value == NOTHING:
            return NOTHING
        key = (
            "string" if not names else sequence([json_strings.QUOTE, self.other_name(names, name), json_strings.QUOTE])
        )
        return self.add(f"{name}-member", sequence([key, 'space ":" space', value]))

    def other_name(self, names: list[str], name: str) -> str:
        """A text that is none of these, written without escapes: letter by letter, as long as it is level with one."""
        letters = sorted({each[0] for each in names if each})
        plain = [letter for letter in letters if any(low <= ord(letter) <= high for low, high in json_strings.PLAIN)]
        options = [
            sequence([literal(letter), self.other_name([each[1:] for each in names if each[:1] == letter], name)])
            for letter in plain
        ]
        different = characters(difference(json_strings.PLAIN, tuple((ord(letter), ord(letter)) for letter in plain)))
        empty = [] if "" in names else [""]
        return self.add(f"{name}-other", choice([*options, sequence([different, "plain*"]), *empty]))

    def array(self, schema: dict, name: str) -> str:
        prefix = schema.get("prefixItems", [])
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if "minItems" not in schema:
            least = len(prefix) if most is None else min(len(prefix), most)
        rest = schema.get("items", not prefix or least > len(prefix))
        if not prefix and rest is True and least == 0 and most is None:
            return "array"
        items = [self.visit(each, f"{name}-{number}") for number, each in enumerate(prefix[:most])]
        other = self.visit(rest, f"{name}-item") if most is None or most > len(prefix) else NOTHING
        return _enclosed("[", self.items(items, other, least, most, name), "]")

    def items(self, prefix: list[str], other: str, least: int, most: int | None, name: str) -> str:
        """At least and at most so many items: first those of the prefix, one each, then others."""
        if most is not None and most < least:
            return NOTHING
        if not prefix:
            again = None if most is None else max(most - 1, 0)
            some = sequence([other, repeated(group(sequence(['"," space', other])), max(least - 1, 0), again)])
            return "" if most == 0 else some if least else choice([some, ""])
        room = None if most is None else most - len(prefix)
        after = repeated(group(sequence(['"," space', other])), max(least - len(prefix), 0), room)
        for number, item in reversed([*enumerate(prefix)]):
            after = sequence([item if number == 0 else f'"," space {item}', after])
            if number >= least:
                after = choice([after, ""])
                after = self.add(f"{name}-from-{number}", after) if number else after
        return after

    def string(self, schema: dict, name: str) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        kind = "pattern" if "pattern" in schema else "format" if schema.get("format") in json_strings.FORMATS else None
        if kind and (least or most is not None):
            self.not_enforced[f"{name}: minLength and maxLength beside {kind}"] = None
        if kind == "pattern":
            try:
                return json_strings.pattern(schema["pattern"])
            except NotExpressible:
                self.not_enforced[f"{name}: pattern {schema['pattern']!r}"] = None
                return "string"
        if kind == "format":
            return json_strings.string_format(schema["format"])
        if most is not None and most < least:
            return NOTHING
        return json_strings.lengths(least, most) if least or most is not None else "string"

    def integer(self, schema: dict, name: str) -> str:
        if not _bounded(schema):
            return "integer"
        return json_numbers.integers(*json_numbers.whole_bounds(*_bounds(schema)))

    def number(self, schema: dict, name: str) -> str:
        return json_numbers.numbers(*_bounds(schema)) if _bounded(schema) else "number"


def _quietly(schema: dict, document: Schema) -> str:
    """The grammar of a schema that is part of a document, without warnings."""
    converter = _Converter(document)
    converter.rules["root"] = converter.any_of(schema, "root")
    return converter.text()


def _types(schema: dict) -> list[str]:
    """The types a value may have; those that the keywords speak of, if `type` does not say it."""
    if "type" in schema:
        given = [kind for kind in TYPES if kind in schema["type"]]
        return [kind for kind in given if kind != "integer" or "number" not in given]
    meant = [kind for kind, keywords in KEYWORDS_OF.items() if any(keyword in schema for keyword in keywords)]
    return meant or [kind for kind in TYPES if kind != "integer"]


def _has_type(value, types: list[str]) -> bool:
    kind = JSON_TYPES.get(type(value), "null")
    return kind in types or (kind == "integer" and "number" in types)


def _marks(flat: dict) -> dict[str, set]:
    """What tells a flat schema from others: its types, its values, the values of its properties."""
    kinds = set(_types(flat)) | ({"integer"} if "number" in _types(flat) else set())
    marks = {"type": {JSON_TYPES.get(type(value), "null") for value in flat["enum"]} if "enum" in flat else kinds}
    if "enum" in flat:
        marks["enum"] = {json.dumps(value, sort_keys=True) for value in flat["enum"]}
    for key in flat.get("required", []) if kinds == {"object"} else []:
        inner = flat.get("properties", {}).get(key)
        if isinstance(inner, dict) and ("const" in inner or isinstance(inner.get("enum"), list)):
            values = [inner["const"]] if "const" in inner else inner["enum"]
            marks[f"property {key}"] = {json.dumps(value, sort_keys=True) for value in values}
    return marks


def _bounded(schema: dict) -> bool:
    return any(keyword in schema for keyword in KEYWORDS_OF["number"])


def _bounds(schema: dict) -> tuple[decimal.Decimal | None, decimal.Decimal | None, bool, bool]:
    """The bounds of a number, and whether each is itself left out."""
    low, above = _stricter(schema, "minimum", "exclusiveMinimum", max)
    high, below = _stricter(schema, "maximum", "exclusiveMaximum", min)
    return low, high, above, below


def _stricter(schema: dict, bound: str, exclusive: str, strictest) -> tuple[decimal.Decimal | None, bool]:
    found = {key: decimal.Decimal(repr(schema[key])) for key in (bound, exclusive) if key in schema}
    if not found:
        return None, False
    value = strictest(found.values())
    return value, found.get(exclusive) == value


def _key(name: str) -> str:
    return sequence([literal(json.dumps(name, ensure_ascii=False)), 'space ":" space'])


def _with_commas(items: list[str]) -> str:
    return ' "," space '.join(items)


def _enclosed(opening: str, inside: str, closing: str) -> str:
    return sequence([f'"{opening}" space', inside, f'space "{closing}"'])
