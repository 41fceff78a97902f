"""Options that backends of Hugging Face models share, each with its default. Knows no tensors."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from pydantic import Field

from autoprompt_search.core.signatures import Default


class LoadingOptions(TypedDict, total=False):
    """Options of every backend: which weights, and in what portions they read."""

    revision: Annotated[str | None, Default(None)]
    """Branch, tag or commit of a hub repository."""
    device: Annotated[str, Default("auto")]
    """`auto` (CUDA, else MPS, else CPU) or a torch device."""
    dtype: Annotated[Literal["auto", "float32", "bfloat16", "float16"], Default("auto")]
    """`auto` is bfloat16 on CUDA where supported, else float32."""
    batch_tokens: Annotated[Annotated[int, Field(ge=1)] | None, Default(None)]
    """Most positions of one forward pass: rows x longest row, where what all rows share counts as the backend computes
    it. Below that, batches follow the lengths at hand, and the memory of a GPU. None is 8,192 on CPUs and Apple's
    GPUs, 32,768 on others."""
    threads: Annotated[Annotated[int, Field(ge=1)] | None, Default(None)]
    """Threads of torch in this process; None leaves them alone."""
    truncate: Annotated[str | None, Default(None)]
    """Field of the query that is cut, from its end, where a prompt is longer than the context; None refuses such
    prompts."""


class LanguageModelOptions(LoadingOptions, total=False):
    """Options of backends with a language-model head."""

    state_megabytes: Annotated[int, Field(ge=0), Default(64)]
    """Memory for states at answer places, which make other verbalizers nearly free."""
