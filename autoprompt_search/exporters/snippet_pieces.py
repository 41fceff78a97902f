"""Pieces of plain scripts, as text: what each family of models takes to score an answer, without this package.

Each does what the backend of that name does, in the plainest way; `snippet.py` puts them together and tests hold the
two together. Marks in double angle brackets are filled in or left out there.
"""

from __future__ import annotations

from dataclasses import dataclass

LOAD = """\
MODEL = <<model>>
<<page>>
tokenizer = AutoTokenizer.from_pretrained(MODEL<<revision>>)
model = <<auto>>.from_pretrained(MODEL<<revision>>, dtype=torch.<<dtype>>).eval()
<<frozen>>
<<new>>
<<adapter>>
torch.set_grad_enabled(False)
"""

PAGE = """\
text = yaml.safe_load(open("prompt.yaml", encoding="utf-8"))["rendered"]"""

CALIBRATED = """\
page = yaml.safe_load(open("prompt.yaml", encoding="utf-8"))
text, offsets = page["rendered"], page["calibration"]["offsets"]"""

PAGED = """\
page = yaml.safe_load(open("prompt.yaml", encoding="utf-8"))
text = page["rendered"]"""

NEW_TOKENS = """\
new = json.load(open("adapter/adapter_config.json"))["token_indices"]  # the soft tokens, behind the vocabulary
model.resize_token_embeddings(new[-1] + 1, mean_resizing=False)"""

ADAPTER = """\
model = PeftModel.from_pretrained(model, "adapter").eval()"""

TOKENS = """
def tokens(string):  # special tokens written in a text stay text
    return tokenizer(string, split_special_tokens=True, add_special_tokens=False)["input_ids"]

a, framed = tokens("a"), tokenizer("a")["input_ids"]  # what the tokenizer puts around a text
before, after = framed[: framed.index(a[0])], framed[framed.index(a[0]) + len(a) :]
"""

PAIR = """\
pair = tokenizer("a", "a")  # and between two; token types tell them apart, or nothing does
between = pair["input_ids"][len(before + a) : -len(a + after)]
has_types = any(pair.get("token_type_ids", ()))

def run(ids, border):
    types = torch.zeros(1, len(ids), dtype=torch.long)
    types[:, border:] = 1
<<forward>>
"""

FORWARD = """\
    return model(torch.tensor([ids]), **({"token_type_ids": types} if has_types else {}))"""

FORWARD_PROMPT = """\
    soft, rows = model.get_prompt(1), model.get_input_embeddings()(torch.tensor([ids]))
    types = torch.nn.functional.pad(types, (soft.shape[1], 0))  # PEFT's own forward pass would drop them
    inputs = torch.cat([soft.to(rows), rows], 1)
    return model.base_model(inputs_embeds=inputs, **({"token_type_ids": types} if has_types else {}))"""

FORWARD_PREFIX = """\
    extra = {"token_type_ids": types} if has_types else {}  # PEFT's own forward pass would drop them
    return model.base_model(torch.tensor([ids]), past_key_values=model.get_prompt(1), **extra)"""

CAUSAL_TOKENS = """
def tokens(string):  # without a closing end-of-text token; special tokens written in a text stay text
    ids = tokenizer(string, split_special_tokens=True)["input_ids"]
    return ids[:-1] if ids[-1:] == [tokenizer.eos_token_id] else ids
"""

CHAT = """
special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
template, options = page["chat"]["clock"] + tokenizer.get_chat_template(), page["chat"]["options"]

def tokens(string):  # special tokens that the chat template writes are tokens, BOS among them
    return tokenizer(string, add_special_tokens=False)["input_ids"]

def conversation(inputs):  # the messages in the model's chat template, up to the answer
    if any(token in value for token in special for value in inputs.values()):
        raise ValueError("the data hold a special token of the model, which would act as one: take it out")
    *before, last = text["messages"]
    messages = [*before, {**last, "content": last["content"].format_map(inputs)}]
    how = {"chat_template": template, "tokenize": False, "add_generation_prompt": True, **options}
    return tokenizer.apply_chat_template(messages, **how) + text["answer_prefix"]
"""

CHAT_IDS = """
for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert tokens(conversation(row["inputs"])) == row["ids"], row["id"]
"""

CAUSAL = """
def loglik(prompt, answer):  # of the tokens in which prompt + answer goes on from prompt
    ids, head = tokens(prompt + answer), tokens(prompt)
    start = next((i for i, (a, b) in enumerate(zip(ids, head)) if a != b), min(len(ids), len(head)))
    word = ids[start:]
<<place>>
    logits = model(torch.tensor([ids])).logits[0, -len(word) - 1 : -1<<old>>].float()
    return -torch.nn.functional.cross_entropy(logits, torch.tensor(word), reduction="sum")
"""

MASKED = """
def loglik(left, right,<<border>> answer):  # token by token from left to right, masks for those to come
    word, total = tokens(answer), 0
    for i, token in enumerate(word):
        ids = left + word[:i] + [tokenizer.mask_token_id] * (len(word) - i) + right
        logits = <<run>>.logits[0, i - len(word) - len(right)<<old>>].float()
        total += logits.log_softmax(-1)[token]
    return total
"""

SENTINEL = """\
sentinel = [i for token, i in tokenizer.get_vocab().items() if token == "<extra_id_0>"]  # span filling, as T5 learnt it
slot = sentinel or [i for i in [tokenizer.mask_token_id] if i is not None]
"""

SEQ2SEQ = """
def loglik(source, answer):  # of the answer's own tokens, without a closing one
    opening, word = [model.config.decoder_start_token_id] + <<new>>before<<sentinel>>, tokens(answer)
    made = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([opening + word]))
    logits = made.logits[0, len(opening) - 1 : -1<<old>>].float()
    return -torch.nn.functional.cross_entropy(logits, torch.tensor(word), reduction="sum")
"""

CLASSIFIER = """
classes = [name.casefold() for _, name in sorted(model.config.id2label.items())]

def loglik(logits, answer):  # but for what all classes share
    return logits[classes.index(answer.strip().casefold())]
"""

POOLING = """\
file = cached_file(MODEL, "1_Pooling/config.json"<<revision>>, _raise_exceptions_for_missing_entries=False)
by_first = bool(file) and json.load(open(file, encoding="utf-8")).get("pooling_mode_cls_token", False)
"""

ENCODER = """
def unit(output):  # the last hidden states as one vector of unit length
    states = output.last_hidden_state[0].float()
    return torch.nn.functional.normalize(<<pooled>>, dim=0)
"""

COSINE = """
def loglik(query, answer):  # but for what all answers share
    return 20 * query @ vector(answer.strip())
"""

PROTOTYPES = """
def loglik(query, shots, answer):  # but for what all answers share; demonstrations count as the answer itself does
    mean = torch.stack([vector(string) for string in [answer.strip(), *shots.get(answer, [])]]).mean(0)
    return 20 * torch.nn.functional.cosine_similarity(query, mean, dim=0)
"""

VECTOR = """
room = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 10**9)) - len(before + after)

@functools.cache
def vector(string):  # without the soft prompt
    output = <<reader>>(torch.tensor([before + tokens(string)[:room] + after]))
    return <<unit>>
"""

MEAN = "torch.nn.functional.normalize(output.last_hidden_state[0].float().mean(0), dim=0)"

VECTOR_CAUSAL = """
def vector(string):  # unit mean of the last hidden states, without the soft prompt
    ids = tokens(string)[: getattr(model.config.get_text_config(), "max_position_embeddings", None)] or [0]
    output = <<reader>>.base_model(torch.tensor([ids]))
    return <<unit>>
"""

POOL = """
pool = [json.loads(line) for line in open("demonstrations.jsonl", encoding="utf-8")]

def joined(inputs):
    return "\\n".join(inputs[name] for name in pool[0]["inputs"])
"""

TFIDF = """
vectorizer = TfidfVectorizer(token_pattern=<<words>>, sublinear_tf=True)
vectors = vectorizer.fit_transform([joined(demo["inputs"]) for demo in pool])

def similarities(inputs):
    return (vectorizer.transform([joined(inputs)]) @ vectors.T).toarray()[0]
"""

WORDS = r'r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]"'

EMBEDDED = """
vectors = torch.stack([vector(joined(demo["inputs"])) for demo in pool]).double()

def similarities(inputs):
    return (vectors @ vector(joined(inputs)).double()).numpy()
"""

ALIKE = """
def likeness(i):  # of one example of the pool to all of them
    return <<product>>.round(5)
"""

PRODUCTS = {True: "(vectors @ vectors[i]).numpy()", False: "(vectors[i] @ vectors.T).toarray()[0]"}
"""Whether the vectors are the model's own -> code of their products."""

NEAREST = """
def demonstrations(inputs):  # <<k>> examples, <<what>>, <<how>>; never the query itself
    similar = similarities(inputs).round(5)
    near = [i for i in (-similar).argsort(kind="stable") if pool[i]["inputs"] != inputs]
<<picked>>
    near = [pool[i] for i in near]
<<arranged>>
    return <<shown>>
"""

CANDIDATES = 100
"""The nearest among which a diverse choice is made; of them there are at least twice as many as are wanted."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How demonstrations are chosen for a query."""

    what: str
    """The order in words."""
    code: str
    """Code that turns `near`, all places of the pool, nearest first, to those that are shown, in the same order."""


CHOICES = {
    "knn": Choice("the nearest", "    near = near[:<<k>>]"),
    "diverse": Choice(
        "of maximal marginal relevance",
        """\
    near = near[:<<most>>]
    chosen, closest = near[:1], [-1.0] * len(near)  # closest: each one's likeness to those chosen
    while len(chosen) < min(<<k>>, len(near)):
        closest = [a if a > b else b for a, b in zip(closest, likeness(chosen[-1])[near])]
        cost = {i: (1 - <<trade>>) * c - <<trade>> * similar[i] for i, c in zip(near, closest) if i not in chosen}
        chosen.append(min(cost, key=cost.get))
    near = sorted(chosen, key=near.index)""",
    ),
}
"""Strategy -> how demonstrations are chosen."""

SHORTENED = """
def shortened(inputs):  # as the search read them: at most <<limit>> characters, cut where a word ends
    short = {}
    for name, string in inputs.items():
        head = string[:<<limit>>]
        words = head.rsplit(maxsplit=1)
        if len(string) > <<limit>> and not string[<<limit>>].isspace() and not head[-1].isspace() and len(words) > 1:
            head = words[0]
        short[name] = head.rstrip() if len(string) > <<limit>> else string
    return short
"""

ORDERS = {
    "similar-last": ("the most similar one last", "    near.reverse()"),
    "similar-first": ("the most similar one first", ""),
    "by-label": (
        "by label",
        """    near = sorted(near[::-1], key=lambda demo: [*text["answers"]].index(demo["target"]))""",
    ),
    "interleaved": (
        "labels in turn",
        """\
    own = [[demo for demo in near[::-1] if demo["target"] == label] for label in text["answers"]]
    near = [demo for turn in itertools.zip_longest(*own) for demo in turn if demo]""",
    ),
    "shuffled": (
        "in an order that hangs on the query",
        """\
    named = "\\x1f".join(["demos", *map(str, sorted(inputs.items()))]).encode("utf-8", "surrogatepass")
    near.reverse()
    random.Random(int.from_bytes(hashlib.blake2b(named, digest_size=4).digest(), "big")).shuffle(near)""",
    ),
}
"""Orders of demonstrations chosen per query, in words and in code."""

JOINED = '"".join(demo["text"] for demo in near)'

BY_ANSWER = """{a: [d["text"] for d in near if d["answer"] == a] for a in {d["answer"] for d in near}}"""

EXCLUSIVE = """
def exclusive(logliks, ids):  # what begins with "10" begins with "1": the shorter answer counts without the longer one
    def begins(short, long):
        return len(ids[short]) < len(ids[long]) and ids[long][: len(ids[short])] == ids[short]

    def only(short):
        longer = [a for a in ids if begins(short, a) and not any(begins(short, b) and begins(b, a) for b in ids)]
        taken = sum((logliks[a] - logliks[short]).double().exp() for a in longer)
        return logliks[short] + torch.log1p(-torch.as_tensor(taken).clamp(max=1 - 2**-20)).float()

    return {answer: only(answer) for answer in ids}
"""

PREDICT = """
def predict(inputs):
<<read>>
    score = {label: <<score>> for label, words in text["answers"].items()}
    return max(score, key=score.get)

for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert predict(row["inputs"]) == row["prediction"], row["id"]
"""
