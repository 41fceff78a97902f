"""Options read from source are those of the real constructors; the schema holds them all."""

import subprocess
import sys
from typing import get_args

import pytest
import yaml
from pydantic import TypeAdapter

from autoprompt_search.config.components import INJECTED, REGISTRIES, signature
from autoprompt_search.config.schema import json_schema
from autoprompt_search.core.signatures import from_object

PAIRS = [(section, name) for section, registry in REGISTRIES.items() for name in registry.names()]


@pytest.mark.parametrize(("section", "name"), PAIRS)
def test_a_signature_read_from_source_is_the_real_one(section, name):
    real, read = from_object(REGISTRIES[section].load(name), INJECTED[section]), signature(section, name)
    assert read.options.keys() == real.options.keys()
    assert read.given == real.given
    assert read.methods
    assert read.methods <= real.methods
    for option, known in real.options.items():
        found = read.options[option]
        assert found.is_required == known.is_required
        assert TypeAdapter(found.annotation).json_schema() == TypeAdapter(known.annotation).json_schema()
        if isinstance(known.default, (str, int, float)):
            assert found.default == known.default


def test_all_signatures_are_read_without_the_libraries_that_components_need():
    code = (
        "import sys; from autoprompt_search.config.components import REGISTRIES, signature;"
        "assert all(signature(s, n) for s, r in REGISTRIES.items() for n in r.names());"
        "assert not {'torch', 'transformers', 'ray', 'mlflow', 'optuna'} & set(sys.modules), sorted(sys.modules)"
    )
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
