"""A short script for one very prompt that predicts with plain transformers, without this package.

It does what the `hf-causal` backend and the `knn` strategy do, in the plainest way; tests hold the two together.
"""

from __future__ import annotations

from typing import Any

from autoprompt_search.core.protocols import FinalPrompt
from autoprompt_search.core.types import Demonstrations

_BUILTIN = {"builtin:gpt": "autoprompt_search/embedded/gpt"}
"""Names that only this package knows, and where the model lies in its sources."""

_DTYPES = ("float32", "bfloat16", "float16")

_HEAD = """\
text = yaml.safe_load(open("prompt.yaml", encoding="utf-8"))["rendered"]
tokenizer = AutoTokenizer.from_pretrained(MODEL{revision})
model = AutoModelForCausalLM.from_pretrained(MODEL{revision}, dtype=torch.{dtype}).eval()
"""

_ADAPTER = """\
model = PeftModel.from_pretrained(model, "adapter").eval()
"""

_SCORE = """
def tokens(string):  # without a closing end-of-text token; special tokens written in a text stay text
    ids = tokenizer(string, split_special_tokens=True)["input_ids"]
    return ids[:-1] if ids[-1:] == [tokenizer.eos_token_id] else ids

def loglik(prompt, answer):  # of the tokens in which prompt + answer goes on from prompt
    ids, head = tokens(prompt + answer), tokens(prompt)
    start = next((i for i, (a, b) in enumerate(zip(ids, head)) if a != b), min(len(ids), len(head)))
    logits = model(torch.tensor([ids])).logits[0, start - len(ids) - 1 : -1].detach().float()
    return -torch.nn.functional.cross_entropy(logits, torch.tensor(ids[start:]), reduction="sum")
"""

_PREDICT = """
def predict(inputs):
    prompt = text["prefix"] + {demonstrations}text["query"].format_map(inputs)
    score = {{label: {score} for label, words in text["answers"].items()}}
    return max(score, key=score.get)

for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert predict(row["inputs"]) == row["prediction"], row["id"]
"""

_ONE_WORD = "loglik(prompt, words[0])"
_SEVERAL_WORDS = "torch.stack([loglik(prompt, word) for word in words]).logsumexp(0)"

_POOL = """
pool = [json.loads(line) for line in open("demonstrations.jsonl", encoding="utf-8")]

def joined(inputs):
    return "\\n".join(inputs[name] for name in pool[0]["inputs"])
"""

_TFIDF = """
vectorizer = TfidfVectorizer(token_pattern={words}, sublinear_tf=True)
vectors = vectorizer.fit_transform([joined(demo["inputs"]) for demo in pool])

def similarities(inputs):
    return (vectorizer.transform([joined(inputs)]) @ vectors.T).toarray()[0]
"""

_WORDS = r'r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]"'

_EMBEDDING = """
def vector(string):  # unit mean of the last hidden states, without the soft prompt
    ids = tokens(string)[: getattr(model.config.get_text_config(), "max_position_embeddings", None)] or [0]
    hidden = frozen.base_model(torch.tensor([ids])).last_hidden_state[0].detach().float().mean(0)
    return torch.nn.functional.normalize(hidden, dim=0).double()

vectors = torch.stack([vector(joined(demo["inputs"])) for demo in pool])

def similarities(inputs):
    return (vectors @ vector(joined(inputs))).numpy()
"""

_NEAREST = """
def demonstrations(inputs):  # the nearest{order}; never the query itself
    ranked = (-similarities(inputs).round(5)).argsort(kind="stable")
    near = [pool[i]["text"] for i in ranked if pool[i]["inputs"] != inputs][:{k}]
    return "".join({shown})
"""


def snippet(final: FinalPrompt) -> str | None:
    """Python source, to be run in the prompt's folder; None where no plain script can do the same.

    That is so for backends and per-query strategies other than our own.
    """
    demos = final.prompt.demos
    if final.backend.get("type") != "hf-causal" or (demos.per_query and demos.strategy != "knn"):
        return None
    dtype = str(final.backend.get("dtype"))
    revision = final.backend.get("revision")
    parts = [
        _imports(final),
        _model_line(final),
        _HEAD.format(
            revision=f", revision={str(revision)!r}" if revision else "",
            dtype=dtype if dtype in _DTYPES else "float32",
        ),
        "frozen = model\n" if _by_embedding(demos) else "",
        _ADAPTER if final.prompt.soft is not None else "",
        _SCORE,
        _retrieval(demos) if demos.per_query else "",
        _predict(final),
    ]
    return "".join(parts).rstrip("\n")


def _imports(final: FinalPrompt) -> str:
    demos = final.prompt.demos
    lines = ["import json, sys, torch, yaml"]
    lines += ["from peft import PeftModel"] if final.prompt.soft is not None else []
    if demos.per_query and not _by_embedding(demos):
        lines.append("from sklearn.feature_extraction.text import TfidfVectorizer")
    lines.append("from transformers import AutoModelForCausalLM, AutoTokenizer")
    return "\n".join(lines) + "\n\n"


def _model_line(final: FinalPrompt) -> str:
    if final.model in _BUILTIN:
        return f"MODEL = sys.argv[1]  # {final.model} is the folder {_BUILTIN[final.model]} of the package\n"
    return f"MODEL = sys.argv[1] if sys.argv[1:] else {final.model!r}\n"


def _retrieval(demos: Demonstrations) -> str:
    is_last = demos.options.get("order", "similar-last") == "similar-last"
    nearest = _NEAREST.format(
        k=demos.options["k"], order=" last" if is_last else " first", shown="reversed(near)" if is_last else "near"
    )
    return _POOL + (_EMBEDDING if _by_embedding(demos) else _TFIDF.format(words=_WORDS)) + nearest


def _predict(final: FinalPrompt) -> str:
    several = any(len(words) > 1 for words in final.prompt.verbalizer.values())
    options: dict[str, Any] = {
        "demonstrations": "demonstrations(inputs) + " if final.prompt.demos.per_query else "",
        "score": _SEVERAL_WORDS if several else _ONE_WORD,
    }
    return _PREDICT.format(**options)


def _by_embedding(demos: Demonstrations) -> bool:
    return demos.per_query and demos.options.get("by") == "embedding"
