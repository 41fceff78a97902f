"""Arguments and options of commands, as typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Space = Annotated[Path, typer.Argument(help="The search space file.", metavar="SPACE.yaml", show_default=False)]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the file, e.g. budget.trials=8. May be repeated."),
]
Folder = Annotated[Path, typer.Argument(help="A search's result folder.", metavar="DIR", show_default=False)]
PromptFolder = Annotated[
    Path, typer.Argument(help="An exported prompt, e.g. reports/NAME/best_prompt.", metavar="PROMPT_DIR")
]
Encoding = Annotated[
    str | None, typer.Option(help="Of text files, e.g. windows-1252; guessed and said without.", show_default=False)
]
Delimiter = Annotated[
    str | None, typer.Option(help="Between the columns of CSV and TSV files; guessed and said.", show_default=False)
]
BackendOptions = Annotated[
    list[str] | None,
    typer.Option("--backend", metavar="KEY=VALUE", help="Backend option, e.g. device=cuda or model=PATH."),
]
TaskName = Annotated[
    str, typer.Option(help="classification, generation, question-answering, multiple-choice, dialogue or code.")
]
Noun = Annotated[
    str | None, typer.Option(help="What a text is, as `review`; guessed from its column.", show_default=False)
]
Ask = Annotated[
    str | None,
    typer.Option(help="What to ask about a text, as `What is its sentiment?`; guessed.", show_default=False),
]
Timing = Annotated[
    bool, typer.Option(help="Try a local model for some ten seconds and say how long the budget will take.")
]
RunsPrograms = Annotated[
    bool, typer.Option("--allow-code-execution", help="Run programs that the model writes, in a sandbox.")
]
