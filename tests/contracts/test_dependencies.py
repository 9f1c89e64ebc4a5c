"""What is imported is declared, what is declared is imported, and each private part of a library is reached once."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import workbench

PACKAGE = Path(workbench.__file__).parent
PROJECT = PACKAGE.parent / "pyproject.toml"
MODULES = {"nvidia-ml-py": "pynvml", "scikit-learn": "sklearn"}
"""Distributions whose module has another name."""

NOT_IMPORTED = {"accelerate"}
"""Needed by another dependency, as its comment in pyproject.toml says."""

PRIVATE = {
    "tui/compositor.py": {"textual._compositor"},
    "tui/text_edits.py": {"textual.document._document", "textual.document._edit"},
}
"""Each private part of a library that is reached, and the one file that reaches it and says with which version."""


@cache
def imports():
    """Each imported module with the file that imports it, path relative to the package."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            where = file.relative_to(PACKAGE).as_posix()
            if isinstance(node, ast.Import):
                found += [(alias.name, where) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(node.module, where)]
                found += [(f"{node.module}.{alias.name}", where) for alias in node.names if alias.name.startswith("_")]
    return found


def declared(*extras):
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    names = {re.match(r"[A-Za-z0-9-]+", line)[0] for line in wanted}
    return {name: MODULES.get(name, name.replace("-", "_")) for name in names}


def third_party():
    roots = {module.partition(".")[0] for module, _ in imports()}
    return roots - set(sys.stdlib_module_names) - {"workbench"}


def test_whatever_is_imported_is_declared():
    assert third_party() <= set(declared("demo", "quant", "liger").values())


def test_whatever_is_declared_is_imported():
    assert {name for name, module in declared().items() if module not in third_party()} == NOT_IMPORTED


def test_private_parts_of_libraries_are_reached_by_one_file_each():
    reached = {}
    for module, where in imports():
        outside = module.partition(".")[0] in third_party()
        if outside and any(part.startswith("_") and not part.startswith("__") for part in module.split(".")):
            reached.setdefault(where, set()).add(module)
    assert reached == PRIVATE


def test_a_file_that_reaches_a_private_part_says_with_which_version_it_was_tried():
    for file in PRIVATE:
        assert re.search(r"Tried with \w+ \d+\.\d+\.\d+", (PACKAGE / file).read_text("utf-8")), file
