"""The command line. Importing it loads neither torch nor transformers nor any other heavy library."""

from autoprompt_search.cli.app import main

__all__ = ["main"]
