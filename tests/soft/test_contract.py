"""Every soft-prompt method keeps the contract, with every form of its vectors."""

from __future__ import annotations

import pytest

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.soft import SOFT
from autoprompt_search.testing.soft_contract import ExactStartContract
from tests.soft.forms import FORMS


class _Soft(ExactStartContract):
    optimizer = "adamw"

    @pytest.fixture(autouse=True)
    def _form(self, name, options):
        self.spec = {"type": name, "optimizer": self.optimizer, "weight_decay": 0.01, "batch_size": 7, **options}

    def make(self, *, seed, **options):
        return SOFT.build(ComponentSpec(**self.spec, **options), seed=seed)


@pytest.mark.parametrize(("name", "options"), FORMS)
class TestSoft(_Soft):
    pass


@pytest.mark.parametrize(("name", "options"), [FORMS[0], FORMS[2]])
class TestAdafactor:
    """What an optimiser can change, with one trained tensor and with many: it learns, and its state is kept."""

    @pytest.fixture
    def suite(self, name, options):
        suite = _Soft()
        suite.spec = {"type": name, "optimizer": "adafactor", "weight_decay": 0.01, "batch_size": 7, **options}
        return suite

    def test_it_learns(self, suite):
        suite.test_it_learns()

    def test_training_in_parts_equals_training_at_once(self, suite, tmp_path):
        suite.test_training_in_parts_equals_training_at_once(tmp_path)


def test_every_registered_method_is_here():
    assert {form.values[0] for form in FORMS} == set(SOFT.names())
