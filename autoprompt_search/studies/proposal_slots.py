"""Texts that are written during the search, as values of a parameter that a sampler can handle.

A parameter that grows has, from the start, a fixed number of further values `new-1`, `new-2`, ...: slots. Optuna wants
a categorical parameter to keep its choices for the whole study, and so it does; a sampler is shown only those slots
that have a text. A slot gets its text when a trial is begun with it, at the point of the trial it was made from; the
text is written into the storage together with that trial, in one write. What is proposed is a function of the seed,
the number of the trial, and what was recorded before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.measurements import Origin, TrialRecord
from autoprompt_search.core.protocols.prompts import Parent, Proposal, Proposer
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Params, Scalar
from autoprompt_search.prompting import LIKE, SLOT, TEXT
from autoprompt_search.space import Choice, SearchSpace
from autoprompt_search.studies.bandit import best_first, in_turn, proposer_scores

_FIRST = 8
"""Trials that have to be measured before texts are made from the best of them: what samplers draw at random."""
_PARENTS = 4
"""The best texts that new ones are made from."""
_CANDIDATES = 8
"""Proposals that are looked through for one that was never tried."""


@dataclass(frozen=True, slots=True)
class GrowingParameter:
    """How the texts of one parameter grow."""

    address: str
    """`instruction` or `template`."""
    texts: Mapping[str, str]
    """Value -> text, of the values that the space names and that have one."""
    slots: int
    """New texts at most."""
    share: float
    """Share of the trials that try a new text, once the first ones were measured."""
    proposers: Mapping[str, Proposer]


class ProposalSlots:
    """The slots of a search and their texts.

    Args:
        growths: One per parameter that grows.
        seed: Of the search.
    """

    def __init__(self, growths: Sequence[GrowingParameter], seed: int) -> None:
        self._growths = {growth.address: growth for growth in growths}
        self._seed = seed
        self._origins: dict[str, list[Origin]] = {address: [] for address in self._growths}

    def with_slots(self, space: SearchSpace) -> SearchSpace:
        """The space with all slots among its values."""
        root = dict(space.root)
        for address, growth in self._growths.items():
            param = root[address]
            if isinstance(param, Choice):
                root[address] = param.model_copy(update={"values": [*param.values, *slots(growth.slots)]})
        return space.model_copy(update={"root": root})

    def empty_slots(self) -> dict[str, tuple[str, ...]]:
        """Parameter -> slots without a text, which nobody may draw."""
        return {
            address: slots(growth.slots)[len(self._origins[address]) :] for address, growth in self._growths.items()
        }

    def written(self) -> dict[str, dict[str, str]]:
        """Parameter -> slot -> its text, empty where there is none yet."""
        none_yet = {address: dict.fromkeys(slots(growth.slots), "") for address, growth in self._growths.items()}
        return {a: {**none_yet[a], **{o.value: o.text for o in origins}} for a, origins in self._origins.items()}

    def learn(self, origin: Origin) -> None:
        """A slot has got its text. They are filled in order."""
        self._origins[origin.address].append(origin)

    def with_texts(self, params: Params) -> Params:
        """`params` with the texts of its slots, under `<parameter>.text`: whoever has them needs no study."""
        texts: dict[str, Scalar] = {}
        for origin in (o for address, os in self._origins.items() for o in os if params.get(address) == o.value):
            texts[origin.address + TEXT] = origin.text
            if origin.like:
                texts[origin.address + LIKE] = origin.like
        return {**params, **texts} if texts else params

    def propose(
        self,
        number: int,
        records: Callable[[], Sequence[TrialRecord]],
        scores: Mapping[int, float] | None,
        *,
        must: bool = False,
    ) -> tuple[Params, Origin] | None:
        """A new text for trial `number`, and the point to try it at; None where a known text is to be tried.

        Args:
            number: Of the trial.
            records: Gives the trials that ended or wait; asked only where they are needed.
            scores: As in `Draws.draw`.
            must: Whether there is nothing else left to try.
        """
        turn = self._growths.values() if must else self._turn(number)
        growing = [growth for growth in turn if len(self._origins[growth.address]) < growth.slots]
        measured = best_first(records(), scores) if growing else []
        if len(measured) < (1 if must else _FIRST):
            return None
        return next((written for growth in growing if (written := self._written(growth, number, measured))), None)

    def _turn(self, number: int) -> Iterator[GrowingParameter]:
        """Whose text is new in trial `number`, if any is."""
        drawn = derive_rng(self._seed, "growing", number).random()
        for growth in self._growths.values():
            if 0 <= drawn < growth.share:
                yield growth
            drawn -= growth.share

    def _written(
        self, growth: GrowingParameter, number: int, measured: Sequence[TrialRecord]
    ) -> tuple[Params, Origin] | None:
        """A new text by the first proposer in turn that has one which nobody has tried."""
        texts = self._texts(growth)
        best: dict[str, TrialRecord] = {}
        for record in measured:
            if text := texts.get(str(record.params.get(growth.address))):
                best.setdefault(text, record)
        parents = [Parent(t, r.measurements[-1].score, self._ancestors(growth, t)) for t, r in best.items()][:_PARENTS]
        trials = list(best.values())
        rng = derive_rng(self._seed, "bandit", growth.address, number)
        for name in in_turn(proposer_scores(measured, growth.address, growth.proposers), rng):
            own = derive_rng(self._seed, "proposer", growth.address, name, number)
            proposed = growth.proposers[name].propose(parents, own, _CANDIDATES) if parents else []
            new = next((m for m in proposed if m.text.strip() not in {t.strip() for t in texts.values()}), None)
            if new is not None:
                origin = self._origin(growth, name, new, trials)
                return {**trials[new.parents[0]].params, growth.address: origin.value}, origin
        return None

    def _origin(
        self, growth: GrowingParameter, proposer: str, proposal: Proposal, trials: Sequence[TrialRecord]
    ) -> Origin:
        known = self._origins[growth.address]
        first = str(trials[proposal.parents[0]].params[growth.address])
        root = next((o.like for o in known if o.value == first), first)
        return Origin(
            address=growth.address,
            value=f"{SLOT}{len(known) + 1}",
            text=proposal.text,
            proposer=proposer,
            how=proposal.how,
            parents=tuple(trials[index].number for index in proposal.parents),
            like=root if growth.address == "template" else "",
            ancestors=self._line([trials[index] for index in proposal.parents], growth),
        )

    def _line(self, trials: Sequence[TrialRecord], growth: GrowingParameter) -> tuple[str, ...]:
        texts = self._texts(growth)
        line: dict[str, None] = {}
        for record in trials:
            text = texts[str(record.params[growth.address])]
            line.update(dict.fromkeys((*self._ancestors(growth, text), text)))
        return tuple(line)

    def _texts(self, growth: GrowingParameter) -> dict[str, str]:
        return {**growth.texts, **{o.value: o.text for o in self._origins[growth.address]}}

    def _ancestors(self, growth: GrowingParameter, text: str) -> tuple[str, ...]:
        return next((o.ancestors for o in self._origins[growth.address] if o.text == text), ())


def slots(number: int) -> tuple[str, ...]:
    """Their names."""
    return tuple(f"{SLOT}{n}" for n in range(1, number + 1))
