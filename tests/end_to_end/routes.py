"""Every route of MLflow's app, and whether we serve it. A person decides this; ``routes.txt`` records the decisions.

python -m tests.end_to_end.routes    lists the installed MLflow's routes; after a decision on new ones: > routes.txt
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from bench.serve.guard import is_served

DECIDED = Path(__file__).with_name("routes.txt")
LIST = """
import json
from mlflow.server import app as pages
from mlflow.server.fastapi_app import app

def walk(routes, prefix=""):
    for route in routes:
        if hasattr(route, "original_router"):
            yield from walk(route.original_router.routes, prefix + route.include_context.prefix)
        elif getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in route.methods)
        else:
            assert (type(route).__name__, route.path) == ("Mount", ""), route  # of the pages

rules = [(method, rule.rule) for rule in pages.url_map.iter_rules() for method in rule.methods]
print(json.dumps([*walk(app.routes), *rules]))
"""


def routes() -> set[tuple[str, str]]:
    """Method and path of every route of the installed MLflow; each variable part of a path is a star."""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", LIST], capture_output=True, text=True, check=True)
    listed = json.loads(out.stdout.splitlines()[-1])
    return {(m, re.sub(r"<[^>]*>|{[^}]*}", "*", path)) for m, path in listed if m not in ("HEAD", "OPTIONS")}


def example(path: str) -> str:
    """A path that matches this route."""
    return path.replace("*", "1")


def lines() -> list[str]:
    """The lines that ``routes.txt`` must have for the installed MLflow."""
    decided = [(p, m, "served" if is_served(m, example(p)) else "refused") for m, p in routes()]
    return [f"{decision:7} {method:6} {path}" for path, method, decision in sorted(decided)]


def decided(decision: str) -> list[tuple[str, str]]:
    """Method and path of the routes that have this decision in ``routes.txt``."""
    found = [line.split() for line in DECIDED.read_text().splitlines()]
    return [(method, path) for verdict, method, path in found if verdict == decision]


if __name__ == "__main__":
    print("\n".join(lines()))
