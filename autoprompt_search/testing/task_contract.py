"""What every task must keep. Subclass `TaskContract` in a test file and say how to make yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from fractions import Fraction
from math import ceil, floor

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.prompting import parse


class TaskContract:
    """The contract of `Task`, as tests that pytest collects in a subclass named `Test...`."""

    @abstractmethod
    def make(self) -> Task:
        """The task under test, over data with 20 examples or more per split."""

    def test_labels_and_fields_have_names(self) -> None:
        """Labels are two or more, none twice; fields that a template can name; a metric."""
        task = self.make()
        known = ("label", "option", "text", "program")
        assert task.answers.kind in known, f"unknown kind of answer {task.answers.kind!r}"
        if task.answers.kind == "label":
            assert len(task.answers.labels) >= 2
            assert len(set(task.answers.labels)) == len(task.answers.labels), "a label stands twice"
            assert all(label.strip() for label in task.answers.labels), "a label is blank"
        else:
            assert task.answers.labels == (), "answers are no labels, and have some"
        assert task.fields, "no field"
        assert all(parse("{" + field + "}")[0].value == field for field in task.fields)
        assert task.metric

    def test_examples_are_complete(self) -> None:
        """Every example has every field as text, and right answers of the task's kind."""
        task = self.make()
        form = task.answers
        for example in _all(task.load(1)):
            assert tuple(example.inputs) == task.fields, f"{example.id} has the fields {tuple(example.inputs)}"
            assert all(isinstance(text, str) for text in example.inputs.values()), f"{example.id} is not all text"
            assert any(text.strip() for text in example.inputs.values()), f"{example.id} has no text"
            _check_answers(example, form)

    def test_splits_are_disjoint(self) -> None:
        """No id and no inputs occur in two splits."""
        splits = self.make().load(1)
        identities = [example.id for example in _all(splits)]
        assert len(set(identities)) == len(identities), "an id stands twice"
        texts = [{tuple(e.inputs.items()) for e in part} for part in (splits.train, splits.dev, splits.test)]
        assert not texts[0] & texts[1], "train and dev share an example"
        assert not texts[0] & texts[2], "train and test share an example"
        assert not texts[1] & texts[2], "dev and test share an example"

    def test_every_split_has_every_label(self) -> None:
        """Otherwise neither demonstrations nor scores mean what they say; of tasks whose answers are labels."""
        task = self.make()
        splits = task.load(1)
        for name, part in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
            missing = set(task.answers.labels) - {example.target for example in part}
            assert not missing, f"{name} has no {sorted(missing)}"

    def test_same_seed_same_splits(self) -> None:
        """Loaded twice, and by two tasks made alike."""
        task = self.make()
        first = task.load(5)
        assert task.load(5) == first, "a second load gives other splits"
        assert self.make().load(5) == first, "another task of the same options gives other splits"

    def test_another_seed_orders_dev_anew(self) -> None:
        """The order of the rungs belongs to the seed."""
        task = self.make()
        assert [e.id for e in task.load(1).dev] != [e.id for e in task.load(2).dev] or len(task.load(1).dev) < 20

    def test_every_prefix_of_dev_is_stratified(self) -> None:
        """The first n hold each label as often as its share says, rounded down or up: so does every rung."""
        task = self.make()
        dev = task.load(1).dev if task.answers.kind == "label" else ()
        whole = Counter(example.target for example in dev)
        seen: Counter[str] = Counter()
        for n, example in enumerate(dev, 1):
            seen[example.target] += 1
            for label, count in whole.items():
                quota = Fraction(n * count, len(dev))
                assert floor(quota) <= seen[label] <= ceil(quota), f"{seen[label]} {label!r} in the first {n}"


def _check_answers(example: Example, form: AnswerForm) -> None:
    """A label of the task, an option of the example, or a text that a model could write."""
    assert len(set(example.targets)) == len(example.targets), f"{example.id} has a right answer twice"
    if form.kind == "label":
        assert example.target in form.labels, f"{example.id} has the unknown label {example.target!r}"
    elif form.kind == "option":
        assert len(example.options) >= 2, f"{example.id} has no choice"
        assert len(set(example.options)) == len(example.options), f"{example.id} has an option twice"
        assert set(example.targets) <= set(example.options), f"{example.id} is none of its options"
    else:
        assert all(text.strip() for text in example.targets), f"{example.id} has an empty right answer"


def _all(splits: Splits) -> list[Example]:
    return [*splits.train, *splits.dev, *splits.test]
