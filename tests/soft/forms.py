"""Every method with every form of its vectors, as parameters `name`, `options`."""

import pytest

_ALL = [
    ("prompt-tuning", {}),
    ("p-tuning", {"encoder": "mlp"}),
    ("p-tuning", {"encoder": "lstm", "hidden": 16}),
    ("residual-prompt-tuning", {"hidden": 16}),
    ("prefix-tuning", {}),
    ("prefix-tuning", {"projection": True, "hidden": 16}),
]
FORMS = [pytest.param(name, extra, id="-".join([name, *map(str, extra.values())])) for name, extra in _ALL]
