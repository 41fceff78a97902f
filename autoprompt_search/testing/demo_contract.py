"""What every demonstration strategy must keep. Subclass `DemoContract` in a test file and say how to make yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.prompts import DemoSelector
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example

LABELS = ("bad", "fair", "good")
_WORDS = ("screen", "battery", "hinge", "price", "sound", "weight", "colour", "cable", "stand", "lens", "strap", "menu")


def sample_examples(number: int, *, name: str = "train", seed: int = 0) -> list[Example]:
    """Distinct short texts with `LABELS` in turn."""
    rng = derive_rng(seed, "sample", name)
    return [
        Example(f"{name}:{i}", {"text": f"{name} {i}: {' '.join(rng.sample(_WORDS, 4))}"}, LABELS[i % len(LABELS)])
        for i in range(number)
    ]


class DemoContract:
    """The contract of `DemoSelector`, as tests that pytest collects in a subclass named `Test...`."""

    @abstractmethod
    def make(self, pool: Sequence[Example], labels: Sequence[str], *, k: int, seed: int) -> DemoSelector:
        """The strategy under test, all other options at their defaults."""

    def test_every_query_gets_k_different_examples_of_the_pool(self) -> None:
        """Never fewer while the pool has enough, never one twice."""
        pool = sample_examples(30)
        for k in (1, 2, 5, 9):
            for demos in self.make(pool, LABELS, k=k, seed=1).select(sample_examples(7, name="dev")):
                assert len(demos) == k, f"{len(demos)} demonstrations instead of {k}"
                assert len({demo.id for demo in demos}) == k, "a demonstration stands twice"
                assert all(demo in pool for demo in demos), "a demonstration is not from the pool"

    def test_a_query_is_never_its_own_demonstration(self) -> None:
        """Neither by id nor under another id with the same inputs; another example takes its place."""
        pool = sample_examples(12)
        copies = [replace(example, id=f"copy-of-{example.id}") for example in pool]
        selector = self.make(pool, LABELS, k=6, seed=1)
        for queries in (pool, copies):
            for query, demos in zip(queries, selector.select(queries), strict=True):
                assert all(demo.id != query.id for demo in demos), "the query is its own demonstration"
                assert all(demo.inputs != query.inputs for demo in demos), "a demonstration repeats the query"
                assert len(demos) == 6, "nothing took the place of the query"

    def test_a_pool_of_copies_of_the_query_leaves_no_demonstration(self) -> None:
        """Rather none than the query itself."""
        pool = sample_examples(3)
        query = replace(pool[0], id="dev:0")
        pool = [replace(example, inputs=query.inputs) for example in pool]
        assert self.make(pool, LABELS, k=3, seed=1).select([query]) == [()]

    def test_the_query_s_answer_is_not_read(self) -> None:
        """Another target of the query changes nothing."""
        selector = self.make(sample_examples(20), LABELS, k=4, seed=1)
        queries = sample_examples(6, name="dev")
        hidden = [replace(query, target=LABELS[0]) for query in queries]
        assert selector.select(queries) == selector.select(hidden), "the choice depends on the query's answer"

    def test_same_arguments_same_choice(self) -> None:
        """Two selectors made alike agree, in choice and in what they say of themselves."""
        one, two = (self.make(sample_examples(20), LABELS, k=4, seed=3) for _ in range(2))
        queries = sample_examples(5, name="dev")
        assert one.select(queries) == two.select(queries)
        assert one.demonstrations == two.demonstrations

    def test_neither_order_nor_number_of_queries_matters(self) -> None:
        """A query gets the same demonstrations alone, in a batch, and in a reversed batch."""
        selector = self.make(sample_examples(40), LABELS, k=4, seed=1)
        queries = sample_examples(20, name="dev")
        together = selector.select(queries)
        assert selector.select(queries[::-1]) == together[::-1]
        assert [selector.select([query])[0] for query in queries] == together
        assert selector.select([]) == []

    def test_demonstrations_say_what_select_does(self) -> None:
        """Fixed: the very examples, in order. Per query: the whole pool, and `k` among the options."""
        pool = sample_examples(20)
        selector = self.make(pool, LABELS, k=4, seed=1)
        said = selector.demonstrations
        assert said.strategy not in ("", "none"), "a strategy has a name"
        if said.per_query:
            assert list(said.examples) == pool
            assert said.options["k"] == 4
        else:
            queries = sample_examples(3, name="dev")
            assert selector.select(queries) == [said.examples] * 3

    def test_an_impossible_k_is_a_configuration_error(self) -> None:
        """None at all, or more than there are."""
        for k in (-1, 0, 7):
            reason = self._refusal(k)
            assert str(k) in reason, f"k={k} of a pool of 6: {reason!r} does not name it"

    def _refusal(self, k: int) -> str:
        try:
            self.make(sample_examples(6), LABELS, k=k, seed=1)
        except ConfigError as exc:
            return str(exc)
        return "no error"


class BalancedDemoContract(DemoContract):
    """Adds that the counts of labels differ by one at most, also where the query was replaced."""

    def test_labels_are_balanced(self) -> None:
        """Labels are balanced for every k and query, also from an unbalanced pool."""
        pool = [example for i, example in enumerate(sample_examples(60)) if example.target == "bad" or i < 30]
        for k in (1, 3, 4, 8, 12):
            selector = self.make(pool, LABELS, k=k, seed=2)
            for demos in selector.select([*sample_examples(2, name="dev"), *pool]):
                counts = Counter(demo.target for demo in demos)
                numbers = [counts[label] for label in LABELS]
                assert max(numbers) - min(numbers) <= 1, f"k={k} gave {dict(counts)}"
