"""The search a competent user would write without this package: Ray Tune, OptunaSearch, PEFT, MLflowLoggerCallback.

Stands alone, knows nothing of autoprompt_search; `whole_search.py` gives it data, model and points to evaluate.

    python benchmarks/whole_search_stock.py given.json found.json
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

BATCH = 16
GAP = "\n\n"


def filled(template: str, point: dict[str, Any], text: str) -> str:
    for name in ("Review", "Sentiment", "Question", "Answer", "Verdict"):
        template = template.replace("{@" + name + "}", name)
    return template.replace("{@sep}", point["layout.separator"]).replace("{text}", text)


def demonstrations(given: dict[str, Any], point: dict[str, Any]) -> list[dict[str, str]]:
    if point.get("demos.strategy", "none") == "none":
        return []
    rng = random.Random(point["demos.draw"])
    if point["demos.strategy"] == "random":
        return rng.sample(given["train"], point["demos.k"])
    by_label = [[e for e in given["train"] if e["label"] == label] for label in ("negative", "positive")]
    return [rng.choice(by_label[i % 2]) for i in range(point["demos.k"])]


def train_and_evaluate(point: dict[str, Any], given: dict[str, Any], split: str) -> float:
    """Accuracy of one point: a fresh model, a soft prompt trained on it where asked for, a plain loop over examples."""
    import torch
    from peft import PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(given["model"], padding_side="right")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(given["model"], dtype=torch.float32).eval()
    template = given["templates"][point["template"]]
    words = [" " + template["words"][label][0] for label in ("negative", "positive")]
    word_ids = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words]
    labels = {"negative": 0, "positive": 1}
    shown = demonstrations(given, point)

    def prompt(example: dict[str, str]) -> str:
        before = [filled(template["text"], point, e["text"]) + words[labels[e["label"]]] for e in shown if e != example]
        return GAP.join([*before, filled(template["text"], point, example["text"])])

    virtual = 0

    def logits(examples: list[dict[str, str]]) -> Any:
        """[examples, 2]: of the two words behind each prompt."""
        batch = tokenizer([prompt(e) for e in examples], return_tensors="pt", padding=True)
        ends = batch["attention_mask"].sum(1) - 1 + virtual
        out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return out[torch.arange(len(examples)), ends][:, word_ids]

    if point.get("soft.method", "none") != "none":
        virtual = point["soft.tokens"]
        table = model.get_input_embeddings().weight
        unit = float(table.pow(2).mean().sqrt())
        config = PromptTuningConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=virtual, prompt_tuning_init="SAMPLE_VOCAB"
        )
        model = get_peft_model(model, config)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=point["soft.lr"] * unit, weight_decay=0.0)
        pool = [e for e in given["train"] if e not in shown]
        order: list[dict[str, str]] = []
        rng = random.Random(7)
        for _ in range(point["soft.steps"]):
            while len(order) < BATCH:
                order += rng.sample(pool, len(pool))
            batch, order = order[:BATCH], order[BATCH:]
            targets = torch.tensor([labels[e["label"]] for e in batch])
            loss = torch.nn.functional.cross_entropy(logits(batch), targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()

    right = 0
    with torch.no_grad():
        for start in range(0, len(given[split]), BATCH):
            batch = given[split][start : start + BATCH]
            right += sum(int(p) == labels[e["label"]] for p, e in zip(logits(batch).argmax(1), batch, strict=True))
    return right / len(given[split])


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    times: list[float] = []
    found: list[tuple[dict[str, Any], float]] = []

    class Watch(tune.Callback):  # type: ignore[misc]
        def on_trial_start(self, **info: Any) -> None:
            times.append(time.perf_counter())

        def on_trial_complete(self, trial: Any, **info: Any) -> None:
            times.append(time.perf_counter())
            found.append((dict(trial.config), trial.last_result["accuracy"]))

    def trainable(point: dict[str, Any], given: dict[str, Any]) -> None:
        tune.report({"accuracy": train_and_evaluate(point, given, "dev")})

    def pointed(config: dict[str, Any], given: dict[str, Any]) -> None:
        trainable(given["points"][config["index"]], given)

    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)
    folder = Path(given["folder"])
    wanted = [{"index": index} for index in given["run"]]
    # The points are given: which of them is all that there is to choose.
    space = {"index": optuna.distributions.CategoricalDistribution(list(range(len(given["points"]))))}
    search = OptunaSearch(space, metric="accuracy", mode="max", points_to_evaluate=wanted)
    mlflow = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/stock.db", experiment_name="stock")
    tune.Tuner(
        tune.with_resources(tune.with_parameters(pointed, given=given), {"cpu": 1}),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0, callbacks=[mlflow, Watch()]),
        tune_config=tune.TuneConfig(search_alg=ConcurrencyLimiter(search, max_concurrent=2), num_samples=len(wanted)),
    ).fit()
    ray.shutdown()
    best = max(found, key=lambda pair: pair[1])[0]["index"] if found else None
    made = {
        "seconds": max(times) - min(times),
        "scores": {config["index"]: score for config, score in found},
        "best": best,
        "test": train_and_evaluate(given["points"][best], given, "test") if best is not None else None,
    }
    Path(sys.argv[2]).write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main()
