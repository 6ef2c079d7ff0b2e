"""Classic strategies as specs, one YAML file each, found by name; and a spec from a file or a name."""

from pathlib import Path

from falcon_pipelines.strategies.spec import InvalidSpec, Spec, load_spec
from falcon_pipelines.strategies.strict import nearest

FOLDER = Path(__file__).parent


def library_names() -> list[str]:
    """Names of the built-in strategies, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def library_spec(name: str) -> Spec:
    """A built-in strategy. Raises InvalidSpec for an unknown name."""
    names = library_names()
    if name not in names:
        raise InvalidSpec([f"no built-in strategy{nearest(name, names)}; built in: {', '.join(names)}"], name)
    return load_spec(FOLDER / f"{name}.yaml")


def find_spec(file_or_name: Path | str) -> Spec:
    """The spec in that file, or the built-in one of that name. Raises InvalidSpec."""
    path = Path(file_or_name)
    bare = path.suffix == "" and len(path.parts) == 1
    if bare and not path.is_file():
        return library_spec(str(file_or_name))
    return load_spec(path)
