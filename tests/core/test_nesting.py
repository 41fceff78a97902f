"""Which answers' texts begin others."""

from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.nesting import mode_of, nested


def test_pairs_name_the_shorter_answer_first():
    assert nested([" 1", " 2", " 10", " 100"]) == ((0, 2), (0, 3), (2, 3))
    assert nested([" new york", " new", " los angeles"]) == ((1, 0),)


def test_case_accents_and_blanks_do_not_hide_a_pair():
    assert nested(["New", "new york"]) == ((0, 1),)
    assert nested(["Él", "elle"]) == ((0, 1),)
    assert nested(["a b", "ab c"]) == ((0, 1),)
    assert nested(["good", "good "]) == ((0, 1), (1, 0))


def test_only_answers_that_begin_others_have_a_mode_of_their_own():
    assert mode_of("label log-likelihood", [" good", " bad"]) == "label log-likelihood"
    assert mode_of("label log-likelihood", [" good", " goodness"]) == "label log-likelihood, exclusive"


@given(st.lists(st.text("ab", min_size=1, max_size=4), unique=True, max_size=8))
def test_all_pairs_are_found_and_no_others(answers):
    wanted = [(i, j) for i, a in enumerate(answers) for j, b in enumerate(answers) if i != j and b.startswith(a)]
    assert list(nested(answers)) == wanted
