"""Imported first by workers that import large libraries before their first trial: one thread each.

Ray says how many threads a worker computes with when it gives it work. Libraries look when they are loaded, which is
earlier in such a worker, and would take every core of the machine. What the user has set stays.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
