"""`python -m autoprompt_search` is the command line."""

from autoprompt_search.cli import main

main()
