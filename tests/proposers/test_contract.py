from __future__ import annotations

import pytest

from autoprompt_search.core.protocols.prompts import Proposer
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.testing.proposer_contract import ProposerContract


@pytest.mark.parametrize("name", PROPOSERS.names())
class TestEveryProposer(ProposerContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self) -> Proposer:
        return PROPOSERS.build(ComponentSpec(type=self.name))
