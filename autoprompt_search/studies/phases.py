"""What kind of trial comes next: good texts first, then soft prompts that start from the best of them.

Training a soft prompt costs many times what trying a text does, and is worth it on a good text only. So a space
that leaves open whether there is a soft prompt is searched in two phases, each with a sampler of its own. Any
other space is one phase.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.ranking import DRAW, best_texts, text_of
from autoprompt_search.core.statistics.additive import Estimate
from autoprompt_search.core.types import Params, Scalar, kind_of
from autoprompt_search.space import Choice, SearchSpace
from autoprompt_search.studies.allocation import Phase
from autoprompt_search.studies.point_sampler import PointSampler
from autoprompt_search.studies.replicates import draws_of, next_replicate, repeats_take, reserved

_METHOD, _NONE = "soft.method", "none"


class Phases:
    """The one or two samplers of a search, and which of them is asked.

    Args:
        space: What may vary.
        baseline: Parameters of trial 0; soft prompts start from its text while no other is known.
        make: Makes the sampler of a space.
        trials: Of the search: the last ones train the best soft prompts again, see `replicates`.
    """

    def __init__(
        self, space: SearchSpace, baseline: Params, make: Callable[[SearchSpace], PointSampler], trials: int
    ) -> None:
        self._baseline = baseline
        self._seeds = draws_of(space)
        self._repeats_from = trials - reserved(self._seeds)
        param = space.root.get(_METHOD)
        values = param.values if isinstance(param, Choice) else []
        methods = [value for value in values if value != _NONE]
        self.are_two = _NONE in values and bool(methods)
        """Whether soft prompts come after the texts."""
        self._texts = make(_limited(space, [_NONE]) if self.are_two else space)
        self._softs = make(_limited(space, methods)) if self.are_two else self._texts
        self._usual: Params = {DRAW: self._seeds[0]} if self._seeds else {}
        """What no soft prompt varies before it is trained again."""

    def close(self, closed: Mapping[str, Sequence[Scalar]], written: Mapping[str, Mapping[str, str]]) -> None:
        """See `PointSampler.close`, for all samplers."""
        for draws in (self._texts, self._softs):
            draws.close(closed, written)

    def may_grow(self, number: int, phase: Phase) -> bool:
        """Whether trial `number` may try a text that nobody has: soft prompts start from known ones."""
        return number < self._repeats_from and not (phase is Phase.SOFT and self.are_two)

    def grown_from(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Those that new texts may be made from and compared with."""
        return [record for record in records if record.kind != "soft" or not self.are_two]

    def completed(self, number: int, given: Params) -> dict[str, Scalar] | None:
        """`given` without what is inactive there, the missing parameters drawn."""
        return self._texts.draw(number, (), [given])

    def of(self, params: Params) -> PointSampler:
        """The sampler that learns from a trial."""
        return self._softs if kind_of(params) == "soft" else self._texts

    def first(self) -> dict[str, Scalar] | None:
        """The baseline, as the space writes its values."""
        return self.of(self._baseline).draw(0, (), [self._baseline])

    def draw(
        self,
        number: int,
        known: Container[str],
        records: Iterable[TrialRecord],
        *,
        phase: Phase,
        left: int | None = None,
        scores: Mapping[int, Estimate] | None = None,
    ) -> dict[str, Scalar] | None:
        """A new point for trial `number`, of the other kind where there is none of the wanted kind; None: no more.

        Args:
            number: Number of the trial.
            known: Fingerprints of the points that were tried.
            records: Finished trials: soft prompts start from the best texts among them.
            phase: Which of the two comes first; a point of the other is drawn where there is none left.
            left: Forward passes that are left; None for no limit.
            scores: As in `PointSampler.draw`.
        """
        records = list(records)
        again = next_replicate(records, self._seeds, known)
        if again is not None and (number >= self._repeats_from or repeats_take(records, self._seeds, left)):
            return again
        return self._drawn(number, known, records, phase=phase, scores=scores) or again

    def _drawn(
        self,
        number: int,
        known: Container[str],
        records: Sequence[TrialRecord],
        *,
        phase: Phase,
        scores: Mapping[int, Estimate] | None,
    ) -> dict[str, Scalar] | None:
        if not self.are_two:
            return self._texts.draw(number, known, [self._usual], scores=scores)
        texts = [{**text, **self._usual} for text in best_texts(records) or [text_of(self._baseline)]]
        order: list[tuple[PointSampler, Sequence[Params]]] = [(self._texts, [{}]), (self._softs, texts)]
        for draws, given in reversed(order) if phase is Phase.SOFT else order:
            if not draws.is_used_up and (point := draws.draw(number, known, given, scores=scores)) is not None:
                return point
        return None


def _limited(space: SearchSpace, methods: list[Scalar]) -> SearchSpace:
    """The space with fewer soft methods; its conditions were found sound before."""
    method = space.root[_METHOD].model_copy(update={"values": methods})
    return space.model_copy(update={"root": {**space.root, _METHOD: method}})
