"""What every proposer must keep. Subclass `ProposerContract` in a test file and say how to make yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from autoprompt_search.core.protocols.prompts import Parent, Proposal, Proposer
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.prompting import MARKS, parse

TEXTS = {
    "instruction": (
        "Decide whether the review is positive or negative.",
        "Read the review to its end, then judge.",
        "You are a careful reader. Say how the author feels about the product, in one word.",
    ),
    "template": (
        "{@Review}: {text}{@sep}{@Sentiment}:",
        "{text}\nAll in all it was",
        "{@Premise}: {premise}{@pair}{@Hypothesis}: {hypothesis}? {@answer}.",
    ),
}
"""Address -> texts that a search may begin with."""


def sample_parents(address: str, number: int = 3) -> list[Parent]:
    """The first texts of `TEXTS`, best first; the best one descends from the last."""
    texts = TEXTS[address]
    return [Parent(t, 0.9 - 0.1 * i, (texts[-1],) if not i else ()) for i, t in enumerate(texts[:number])]


def keeps_slots(text: str, parent: str) -> bool:
    """Whether a template has the data slots and marks of its parent, each as often and in the same order."""

    def kept(template: str) -> list[tuple[str, str]]:
        return [(part.kind, part.value) for part in parse(template) if part.kind in ("field", *MARKS)]

    return kept(text) == kept(parent)


class ProposerContract:
    """The contract of `Proposer`, as tests that pytest collects in a subclass named `Test...`."""

    @abstractmethod
    def make(self) -> Proposer:
        """The proposer under test; made twice, it must be the same."""

    def test_it_says_what_it_can_write(self) -> None:
        """The proposer names at least one address, and only addresses that a search can vary."""
        assert self.make().of, "a proposer writes some kind of text"
        assert set(self.make().of) <= set(TEXTS), f"unknown addresses: {self.make().of}"

    def test_it_finds_something(self) -> None:
        """It has no problem with ordinary texts, and makes new ones of them."""
        for address in self.make().of:
            assert self.make().problems(TEXTS[address]) == []
            assert self._propose(address), f"nothing was made of {TEXTS[address]}"

    def test_texts_are_new_distinct_and_not_empty(self) -> None:
        """Texts are new, distinct and not empty for many seeds and counts, and never more than asked for."""
        for address in self.make().of:
            for seed in range(20):
                parents, count = sample_parents(address), 1 + seed % 8
                texts = [p.text for p in self._propose(address, seed=seed, count=count)]
                assert len(texts) <= count, f"{len(texts)} texts instead of at most {count}"
                assert len(set(texts)) == len(texts), f"a text comes twice: {texts}"
                assert all(text.strip() for text in texts), "a text is empty"
                assert not {*texts} & {p.text for p in parents}, "a proposal is its parent"

    def test_a_proposal_names_its_parents_and_what_was_done(self) -> None:
        """Places among those that were given, none twice."""
        for address in self.make().of:
            for proposal in self._propose(address, count=12):
                assert proposal.parents, "a text comes from somewhere"
                assert set(proposal.parents) <= {0, 1, 2}, f"no such parent: {proposal.parents}"
                assert len(set(proposal.parents)) == len(proposal.parents)
                assert proposal.how, "what was done is said"

    def test_same_arguments_same_proposals(self) -> None:
        """Two proposers made alike agree; another seed gives something else."""
        for address in self.make().of:
            one, two, other = (self._propose(address, seed=seed, count=6) for seed in (3, 3, 4))
            assert one == two
            assert one != other, "the generator changes nothing"

    def test_parents_are_left_alone_and_one_may_be_too_few(self) -> None:
        """One parent gives proposals or none, and no error."""
        for address in self.make().of:
            for proposal in self._propose(address, number=1):
                assert proposal.parents == (0,)
            assert self._propose(address, number=0) == []

    def test_templates_keep_their_slots(self) -> None:
        """None is lost, none doubled, none out of order."""
        if "template" not in self.make().of:
            return
        parents = sample_parents("template")
        for seed in range(20):
            for proposal in self._propose("template", seed=seed, count=8):
                first = parents[proposal.parents[0]].text
                assert keeps_slots(proposal.text, first), f"{proposal.text!r} of {first!r}"

    def test_no_texts_are_a_problem(self) -> None:
        """Said in a sentence, not raised."""
        assert self.make().problems([]), "nothing can be made of nothing"

    def _propose(self, address: str, *, seed: int = 1, count: int = 4, number: int = 3) -> Sequence[Proposal]:
        return self.make().propose(sample_parents(address, number), derive_rng(seed, "contract"), count)
