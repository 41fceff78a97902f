"""Options read from source are those of the real constructors; the schema holds them all."""

import inspect
from typing import get_args

import pytest
import yaml

from autoprompt_search.config.components import INJECTED, REGISTRIES, signature
from autoprompt_search.config.schema import json_schema

PAIRS = [(section, name) for section, registry in REGISTRIES.items() for name in registry.names()]


@pytest.mark.parametrize(("section", "name"), PAIRS)
def test_a_signature_read_from_source_is_the_real_one(section, name):
    real = {n: p for n, p in REGISTRIES[section].options(name).items() if n not in INJECTED[section]}
    found = signature(section, name)
    assert set(found.options) == set(real)
    assert {n for n, o in found.options.items() if o.is_required} == {
        n for n, p in real.items() if p.default is p.empty
    }
    made = REGISTRIES[section].load(name)
    if inspect.isfunction(made):
        made = inspect.signature(made, eval_str=True).return_annotation
    assert found.methods <= set(dir(made))
    assert found.methods


def test_types_that_a_module_imports_from_its_own_package_are_read():
    order = signature("demos", "knn").options["order"].annotation
    assert set(get_args(order)) == {"similar-last", "similar-first", "shuffled", "by-label", "interleaved"}
    assert signature("demos", "knn").methods >= {"select", "demonstrations"}


def test_the_schema_suggests_every_address_of_a_space():
    known = json_schema()["$defs"]["SearchSpace"]["properties"]
    assert {"template", "verbalizer.words", "calibration", "layout.answer", "demos.trade", "soft.start"} <= set(known)
    assert {"soft.method", "soft.placement", "demos.strategy", "instruction"} <= set(known)


def test_the_schema_knows_every_section_component_and_short_form(space_file):
    schema = json_schema()
    assert list(schema["properties"])[:3] == ["name", "seed", "task"]
    backends = schema["properties"]["backend"]["anyOf"]
    assert "hf-causal" in backends[0]["enum"]
    assert not {"together", "shared"} & set(backends[0]["enum"])  # ours alone
    scripted = next(b for b in backends[1:] if b["properties"]["type"]["const"] == "scripted")
    assert scripted["properties"]["skill"] == {"maximum": 1, "minimum": 0, "type": "number"}
    assert scripted["additionalProperties"] is False
    assert schema["additionalProperties"] is False


def test_the_schema_is_plain_data():
    assert yaml.safe_load(yaml.safe_dump(json_schema())) == json_schema()
