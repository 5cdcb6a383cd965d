"""Writes a new connector from the templates: into this repository, or as a package of its own.

Templates are `string.Template` texts in `templates/`, in folders as they will lie. `connector/` goes into both kinds.
In their paths, KEY stands for the gateway's key.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from cli.scaffold.imports import arrange_imports
from cli.scaffold.names import Names
from domain.errors import InvalidInput, Refused

SUFFIX = ".template"
HOUSE_PACKAGES = frozenset({"cli", "connectors", "devstack", "domain", "tests", "topics"})


def add_here(names: Names, repository: Path) -> list[Path]:
    """Add a connector to a checkout of this repository; returns the files.

    Raises InvalidInput when the folder is none, Refused when a file or module is there already.
    """
    if not _is_checkout(repository):
        raise InvalidInput(f"{repository} is no checkout of Paystream: run it where connectors/registry.py is")
    if (repository / "connectors" / f"{names.key}.py").exists():
        raise Refused(f"connectors/{names.key}.py is a module of the framework; take another name", field="key")
    module = f"connectors.{names.key}"
    texts = {f"connectors/{names.key}/{path}": text for path, text in _render("connector", names, module).items()}
    texts |= _render("here", names, module)
    return _write(repository, texts, HOUSE_PACKAGES)


def make_package(names: Names, directory: Path) -> list[Path]:
    """Make a package of its own; returns the files. Raises Refused when one of them is there already."""
    texts = {f"{names.package}/{path}": text for path, text in _render("connector", names, names.package).items()}
    texts |= _render("package", names, names.package)
    return _write(directory, texts, frozenset({names.package, f"local_{names.key}"}))


def registry_lines(names: Names) -> tuple[str, str]:
    """The two lines that `connectors/registry.py` needs: an import, and an entry of its table."""
    line = f"from connectors.{names.key}.registration import REGISTRATION as {names.constant}"
    return line, f'    "{names.key}": {names.constant},'


def next_steps(names: Names, package: Path | None) -> str:
    """What is left for people to do, in lines."""
    if package is not None:
        return "\n".join(
            [
                "It works as it is. Try it:",
                f"    pip install -e '{package}[dev]' && pytest {package}",
                f"    paystream connectors show {names.key}",
                "Then change it into the gateway's own: docs/adding-a-connector.md has the order.",
            ]
        )
    line, entry = registry_lines(names)
    return "\n".join(
        [
            "Add these two lines to connectors/registry.py:",
            line,
            entry,
            "It works as it is. Try it:",
            f"    pytest tests/connectors -k {names.key}",
            "    paystream docs gateways > docs/gateways.md",
            "    paystream docs gateways --table              # for the README",
            "Then change it into the gateway's own: docs/adding-a-connector.md has the order.",
        ]
    )


def _render(folder: str, names: Names, module: str) -> dict[str, str]:
    """The texts of a folder of templates by the paths they go to."""
    values = {
        "key": names.key,
        "display_name": names.display_name,
        "class_name": names.class_name,
        "module": module,
        "package": names.package,
        "distribution": names.distribution,
        "header": names.dashed,
        "Header": "-".join(part.capitalize() for part in names.dashed.split("-")),
        "host": names.dashed,
    }
    return {
        str(path).replace("KEY", names.key).removesuffix(SUFFIX): _fill(text, values)
        for path, text in _templates(files("cli.scaffold") / "templates" / folder, PurePosixPath())
    }


def _templates(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for item in sorted(folder.iterdir(), key=lambda each: each.name):
        if item.is_dir():
            yield from _templates(item, path / item.name)
        elif item.name.endswith(SUFFIX):
            yield path / item.name, item.read_text(encoding="utf-8")


def _fill(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _write(directory: Path, texts: Mapping[str, str], own: frozenset[str]) -> list[Path]:
    targets = {directory / path: text for path, text in sorted(texts.items())}
    if present := [str(path) for path in targets if path.exists()]:
        raise Refused(f"nothing is overwritten; there is already: {', '.join(present)}")
    for path, text in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(arrange_imports(text, own) if path.suffix == ".py" else text, encoding="utf-8")
    return list(targets)


def _is_checkout(folder: Path) -> bool:
    project, registry = folder / "pyproject.toml", folder / "connectors" / "registry.py"
    if not project.is_file() or not registry.is_file():
        return False
    return bool(tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("name") == "paystream")
