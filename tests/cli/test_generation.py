"""The flags that programs share: every one reaches the engine's option of its meaning, and nothing else does."""

import argparse
import dataclasses

import pytest

from refllm.cli import generation
from refllm.engine.answer import Options
from refllm.sampling import Settings, settings
from refllm.tokenizers import from_metadata
from tests.chat import models


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    generation.add_sampling_flags(parser)
    generation.add_ignored_flags(parser)
    return parser.parse_args([*words])


def test_every_flag_has_an_option():
    known = {field.name for field in dataclasses.fields(Settings)}
    assert {option for _, option, _, _ in generation.NUMBERS} <= known
    for flags, option, kind, _ in generation.NUMBERS:
        value = {"mirostat": 2, "repeat_penalty": 1.5}.get(option, kind(3))
        for flag in flags:
            assert generation.options(parsed(flag, str(value))) == {option: value}
            assert getattr(settings(**{option: value}), option) == value


def test_what_is_not_typed_is_left_to_the_engine():
    assert generation.options(parsed()) == {}


def test_options_that_are_no_numbers(tmp_path):
    (tmp_path / "bad.txt").write_text("rude words")
    words = ["-l", "5+1.5", "-l", "7-inf", "--no-penalize-nl", "--ignore-eos", "--dry-sequence-breaker", "###"]
    options = generation.options(parsed(*words, "--cfg-negative-prompt-file", str(tmp_path / "bad.txt")))
    assert options == {
        "logit_bias": ((5, 1.5), (7, float("-inf"))),
        "penalize_nl": False,
        "ignore_eos": True,
        "dry_sequence_breakers": ("###",),
        "negative_prompt": "rude words",
    }
    known = {field.name for kind in (Options, Settings) for field in dataclasses.fields(kind)}
    assert options.keys() <= known


@pytest.mark.parametrize(
    ("words", "chain"),
    [
        ([], "llama_cpp_2023"),
        (["--temp", "0.2"], "llama_cpp_2023"),
        (["--min-p", "0.1"], None),
        (["--samplers", "top_k;temperature"], "top_k;temperature"),
        (["--sampler-seq", "kt"], "kt"),
    ],
)
def test_the_classic_chain_unless_something_newer_is_asked_for(words, chain):
    assert generation.options(parsed(*words), classic=True).get("samplers") == chain


def test_a_grammar_from_three_flags(tmp_path):
    tokenizer = from_metadata(models.metadata(None))
    (tmp_path / "g.gbnf").write_text('root ::= "the"')
    for words in (["--grammar", 'root ::= "the"'], ["--grammar-file", str(tmp_path / "g.gbnf")]):
        grammar = generation.options(parsed(*words), tokenizer)["grammar"]
        assert grammar.mask()[tokenizer.vocabulary.ids["th"]] and not grammar.mask()[tokenizer.vocabulary.ids["▁cat"]]
    schema = generation.options(parsed("-j", '{"type": "boolean"}'), tokenizer)["grammar"]
    assert schema.mask()[tokenizer.vocabulary.ids["t"]] and not schema.mask()[tokenizer.vocabulary.ids["▁cat"]]


def test_flags_without_meaning_are_remembered():
    assert parsed("-ngl", "32", "--mlock", "-t", "8").ignored == ["-ngl", "--mlock", "-t"]
