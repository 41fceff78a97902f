"""Points that did well in earlier searches, for a search that starts where they ended.

Of an earlier search its parameters and dev scores are read, never what its test split said. What it chose prompts on
must not be what this search is judged on, so its train and dev examples are held against this test split; that its own
test split may lie in this train or dev does no harm, because nothing that was learned from it is read.
"""

from autoprompt_search.warm.load import MOST, OPTION, WarmStart, remember
from autoprompt_search.warm.sources import SEEN, seen_examples

__all__ = ["MOST", "OPTION", "SEEN", "WarmStart", "remember", "seen_examples"]
