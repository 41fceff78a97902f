"""Runs inside the sandbox: a program, then its tests, in one interpreter. Needs nothing but the standard library.

It reads a job as JSON from standard input and speaks with the grader through two pipes. Behind the last test it says
that it is done, and repeats the word that the grader sends then: a program that ends early, with whatever exit code,
has not passed, and before that moment the word is nowhere in this process.
"""

import json
import os
import resource
import sys


def main() -> None:
    """Say `compiled`, `ran`, `done` as far as it comes, and the last line of what went wrong."""
    job = json.load(sys.stdin)
    say, hear = int(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        user = int(sys.argv[3])
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    # As they are now, whatever the program makes of them. To run code is what the sandbox is for.
    write, read, end, run = os.write, os.read, os._exit, exec
    for name, wanted in job["limits"].items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (most, most))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    names = {"__name__": "program", "__builtins__": __builtins__}
    try:
        code = compile(job["program"], "program", "exec", dont_inherit=True)
        tests = [compile(test, f"test {n}", "exec", dont_inherit=True) for n, test in enumerate(job["tests"], 1)]
        write(say, b"compiled\n")
        run(code, names)
        write(say, b"ran\n")
        for test in tests:
            run(test, names)
    except BaseException as exc:  # noqa: BLE001 - a program may raise anything, SystemExit among it
        line = f"{type(exc).__name__}: {exc}".replace("\n", " ")[:500]
        write(say, f"error {line}\n".encode("utf-8", "replace"))
        end(1)
    write(say, b"done\n")
    write(say, read(hear, 64) + b"\n")
    end(0)


main()
