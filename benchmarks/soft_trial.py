"""A soft-prompt training beside PEFT + Hugging Face Trainer: same model, vectors, batches, optimiser and loss.

Both sides train 16 vectors of a frozen random model (GPT-2- and Llama-shaped, 6 layers, 384 wide, 32,000 words) with
AdamW in float32, batches of 8, gradients clipped to 1, from the same initial vectors, over the same batches in the same
order; so the losses of every step must agree, and that is checked.

Three layouts: the vectors in front of a prompt without demonstrations; in front of 8 demonstrations (both as PEFT's
PROMPT_TUNING); and behind demonstrations and query, right before the answer (as PEFT's TRAINABLE_TOKENS).

A training has 200 steps. Every repeat takes the first few of them and notes what each costs; 200 steps are what comes
before the first, the steps of the first epoch as they were (ours remembers what it read in them), and the median of
the others for the rest. Costs are CPU seconds of one thread, which a machine in use changes little.

    python -m benchmarks.soft_trial [--repeats 5] [--out reports/benchmarks/soft_trial.json]
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PromptTuningConfig, TrainableTokensConfig, get_peft_model
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.core.protocols.tuning import TuneData
from autoprompt_search.soft import checkpoint
from autoprompt_search.soft.prompt_tuning import prompt_tuning
from autoprompt_search.soft.training import rms
from benchmarks.harness import command_line, save
from benchmarks.machine import described, table
from benchmarks.soft_models import SHAPES, made_up_task, model_folder

TOKENS, BATCH, LR, STEPS = 16, 8, 0.3, 200
EPOCH = 8
"""Steps in which every example is seen once."""
THEIRS = "PEFT + Hugging Face Trainer"


@dataclass(frozen=True)
class Layout:
    """Where vectors and demonstrations stand."""

    name: str
    demonstrations: int
    at: str
    ours: int
    """Steps of ours that are run."""
    theirs: int
    """Steps of theirs: with demonstrations they take seconds each."""
    bar: float


LAYOUTS = (
    Layout("no demonstrations", 0, "start", 12, 6, 1.5),
    Layout("vectors, 8 demonstrations, query", 8, "start", 10, 3, 5),
    Layout("8 demonstrations, query, vectors", 8, "before-answer", 16, 3, 5),
)


@dataclass
class Run:
    before: float
    """CPU seconds before the first step."""
    steps: list[float]
    losses: list[float]

    def whole(self) -> float:
        """Of 200 steps."""
        first, rest = self.steps[:EPOCH], self.steps[EPOCH:] or self.steps[1:]
        return self.before + sum(first) + (STEPS - len(first)) * statistics.median(rest)


class Job:
    """One training, as both sides need it."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout = folder, layout
        self.data: TuneData = made_up_task(layout.demonstrations)
        options = {"tokens": TOKENS, "init": "vocabulary", "placement": layout.at, "lr": LR, "steps": STEPS}
        self.method = prompt_tuning(seed=1, batch_size=BATCH, **options)  # type: ignore[arg-type]
        self.backend = hf_causal(str(folder), device="cpu", dtype="float32")
        self.rate = LR * rms(self.backend.embedding_table())

    def ours(self) -> Run:
        watched = _Watched(hf_causal(str(self.folder), device="cpu", dtype="float32"))
        watched.embedding_table()  # the model is loaded
        with tempfile.TemporaryDirectory() as name:
            began = time.process_time()
            self.method.fit(watched, self.data, until=self.layout.ours, folder=Path(name))  # type: ignore[arg-type]
            self.start, losses = _trained(Path(name))
        return Run(watched.times[0] - began, _between([*watched.times, watched.ended]), losses)

    def theirs(self) -> Run:
        steps = range(self.layout.theirs)
        batches = [self.method._batch(step, len(self.data.prompts)) for step in steps]
        model, rows = _peft(self, [i for batch in batches for i in batch])
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=self.rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (0.06 * STEPS)))
        times = _Times()
        with tempfile.TemporaryDirectory() as name:
            arguments = TrainingArguments(
                output_dir=name,
                per_device_train_batch_size=BATCH,
                max_steps=len(steps),
                max_grad_norm=1.0,
                logging_steps=1,
                logging_nan_inf_filter=False,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
                remove_unused_columns=False,
                dataloader_pin_memory=False,
            )
            trainer = _InOrder(
                model=model,
                args=arguments,
                train_dataset=rows,
                data_collator=_collate,
                optimizers=(optimizer, schedule),
                callbacks=[times],
            )
            trainer.remove_callback(PrinterCallback)
            began = time.process_time()
            trainer.train()
        losses = times.losses
        return Run(times.seen[0] - began, _between(times.seen), losses)


class _Watched:
    """Our backend, which notes when it is asked for a step."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.times: list[float] = []
        self.ended = 0.0

    def __getattr__(self, name: str) -> Any:
        if self.times and not self.ended:
            self.ended = time.process_time()
        return getattr(self._backend, name)

    def answer_logliks(self, *given: Any) -> Any:
        self.times.append(time.process_time())
        return self._backend.answer_logliks(*given)


class _Times(TrainerCallback):  # type: ignore[misc]
    """When Trainer's steps begin and end, and their losses."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if not self.seen:
            self.seen.append(time.process_time())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seen.append(time.process_time())


def _between(times: Sequence[float]) -> list[float]:
    return [b - a for a, b in itertools.pairwise(times)]


def _trained(folder: Path) -> tuple[torch.Tensor, list[float]]:
    """Initial vectors and losses of a training, from its checkpoint."""
    key = json.loads(_header(folder / checkpoint.FILE))["key"]
    state = checkpoint.read(folder, key)
    assert state is not None
    return state.history[0], state.losses


def _header(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return str(file.metadata()["state"])


def _peft(job: Job, order: Sequence[int]) -> tuple[Any, list[dict[str, Any]]]:
    """A PEFT model that starts at our initial vectors, and the rows of all steps in order."""
    base = AutoModelForCausalLM.from_pretrained(job.folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    labels = [tokenizer(word)["input_ids"][0] for word in ("good", "bad")]
    ids = [tokenizer(prompt.text)["input_ids"] for prompt in job.data.prompts]
    size = base.get_input_embeddings().num_embeddings
    if job.layout.at == "start":
        config: Any = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=TOKENS)
        model = get_peft_model(base, config)
        model.prompt_encoder["default"].embedding.weight.data.copy_(job.start)
        offset = TOKENS
    else:
        base.resize_token_embeddings(size + TOKENS, mean_resizing=False)
        base.get_input_embeddings().weight.data[size:] = job.start
        config = TrainableTokensConfig(task_type="CAUSAL_LM", token_indices=list(range(size, size + TOKENS)))
        model = get_peft_model(base, config)
        ids = [row + list(range(size, size + TOKENS)) for row in ids]
        offset = 0
    rows = [
        {"ids": ids[i], "target": job.data.targets[i], "labels": labels, "answer": offset + len(ids[i]) - 1}
        for i in order
    ]
    model.eval()
    return model, rows


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    width = max(len(row["ids"]) for row in rows)
    return {
        "input_ids": torch.tensor([row["ids"] + [1] * (width - len(row["ids"])) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row["ids"]) + [0] * (width - len(row["ids"])) for row in rows]),
        "target": torch.tensor([row["target"] for row in rows]),
        "answer": torch.tensor([row["answer"] for row in rows]),
        "label_ids": torch.tensor(rows[0]["labels"]),
    }


class _InOrder(Trainer):  # type: ignore[misc]
    """Rows as they come, without dropout; the loss is the cross-entropy over the two label words."""

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        model.eval()  # GPT-2's configuration has dropout, which a comparison of losses cannot have
        target, answer, labels = (inputs.pop(name) for name in ("target", "answer", "label_ids"))
        logits = model(**inputs).logits[torch.arange(len(answer)), answer][:, labels]
        loss = torch.nn.functional.cross_entropy(logits, target)
        self.callback_handler.callbacks[-1].losses.append(float(loss.detach()))
        return (loss, None) if return_outputs else loss


def compared(shape: str, folder: Path, layout: Layout, repeats: int) -> dict[str, Any]:
    """One row: medians over the repeats, ours and theirs in turn."""
    job = Job(folder, layout)
    job.ours()
    runs = [(job.ours(), job.theirs()) for _ in range(repeats)]
    ours, theirs = (statistics.median(run.whole() for run in side) for side in zip(*runs, strict=True))
    gaps = [abs(a - b) for mine, other in runs for a, b in zip(mine.losses, other.losses, strict=False)]
    return {
        "model": shape,
        "layout": layout.name,
        "ours": round(ours, 1),
        THEIRS: round(theirs, 1),
        "ratio": round(theirs / ours, 1),
        "bar": layout.bar,
        "max_difference": float(f"{max(gaps):.1e}"),
        "repeats": repeats,
    }


def main() -> None:
    parser = command_line(__doc__, "soft_trial")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="model or layout, for a look; the file then holds these rows alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for shape in SHAPES:
            folder = model_folder(shape, Path(name) / shape)
            for layout in LAYOUTS:
                if options.only in f"{shape} {layout.name}":
                    rows.append(compared(shape, folder, layout, options.repeats))
                    print(rows[-1], flush=True)
    made = {
        **described("peft", "accelerate"),
        "what": f"CPU seconds of {STEPS} steps, one thread, float32",
        "repeats": options.repeats,
        "ratio": min(row["ratio"] for row in rows),
        "max_difference": max(row["max_difference"] for row in rows),
        "rows": rows,
        "remake": "python -m benchmarks.soft_trial",
    }
    text = f"# A soft-prompt training\n\n{made['what']}. {made['machine']}.\n\n{table(rows)}\n"
    save(options.out, made, text, indent=2)


if __name__ == "__main__":
    main()
