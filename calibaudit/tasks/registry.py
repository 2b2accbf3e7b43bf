"""From names to task definitions: the bundled tasks, groups, files, folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from calibaudit.errors import TaskError
from calibaudit.files.paths import files_below, user_path
from calibaudit.files.read import lines_of, open_file
from calibaudit.tasks.items import TaskSummary
from calibaudit.tasks.schema import Definition, GroupSpec, parse_group, parse_task
from calibaudit.tasks.yaml_file import Source, TaskFileError, bundled_folder, merge_includes, read_source

SUFFIXES = (".yaml", ".yml")
_EMPTY = Source(Path(), {}, {})

Lookup = Callable[[str], tuple[Source, ...]]
"""The task or group file of a name, or all task files that bear it as a tag; empty where it is unknown."""


def find_definitions(names: Sequence[str]) -> tuple[Definition, ...]:
    """The tasks that names, files and folders stand for, in order, each once.

    Raises TaskError on an unknown name, a faulty file, and when two different files claim one task name.
    """
    found: dict[str, Definition] = {}
    for name in names:
        for definition in _definitions_of(name):
            other = found.setdefault(definition.spec.task, definition)
            if other.spec != definition.spec or other.path.resolve() != definition.path.resolve():
                raise TaskError(f"two tasks are named {definition.spec.task}: in {other.path} and in {definition.path}")
    return tuple(found.values())


def definitions_of_file(path: Path) -> tuple[Definition, ...]:
    """The task of a file, or the members of a group file. Raises TaskFileError with every fault."""
    source = read_source(path)
    return _expand(source, _beside(source))


def summarise_bundled() -> tuple[TaskSummary, ...]:
    """One summary for each bundled task or group file, by name."""
    return tuple(sorted((_summary(source) for source in _bundled().files.values()), key=lambda summary: summary.name))


@dataclass(frozen=True)
class _Catalogue:
    """The task files below a folder: `files` by the name of task or group, `members` by a group's inline tasks."""

    files: dict[str, Source]
    members: dict[str, tuple[str, int]]


def _is_group(source: Source) -> bool:
    return "group" in source.data


def _catalogue(paths: Sequence[Path]) -> _Catalogue:
    files: dict[str, Source] = {}
    members: dict[str, tuple[str, int]] = {}
    for path in paths:
        source = read_source(path)
        name = source.data.get("group", source.data.get("task"))
        if not isinstance(name, str):
            raise TaskFileError([f"{path}: it has neither `task: NAME` nor `group: NAME`"])
        if name in files:
            raise TaskFileError([f"{source.place()}: {name} is also defined in {files[name].path}"])
        files[name] = source
        parts = source.data.get("task")
        for index, part in enumerate(parts if _is_group(source) and isinstance(parts, list) else ()):
            if isinstance(part, dict) and isinstance(part.get("task"), str):
                members.setdefault(part["task"], (name, index))
    return _Catalogue(files, members)


def _yaml_files(folder: Path, *, deep: bool) -> list[Path]:
    """Task files of a folder, sorted; a name that begins with `_` marks a file that others include."""
    paths = files_below(folder, TaskError) if deep else _entries(folder)
    return sorted(path for path in paths if path.suffix in SUFFIXES and path.is_file() and path.name[0] not in "_.")


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TaskError(f"{folder}: cannot be opened: {error.strerror or error}") from None


@lru_cache(maxsize=1)
def _bundled() -> _Catalogue:
    return _catalogue(_yaml_files(bundled_folder(), deep=True))


def _bundled_source(name: str) -> tuple[Source, ...]:
    source = _bundled().files.get(name)
    return () if source is None else (source,)


def _definitions_of(name: str) -> tuple[Definition, ...]:
    bundled = _bundled()
    if name in bundled.files:
        return _expand(bundled.files[name], _bundled_source)
    if name in bundled.members:
        group = bundled.files[bundled.members[name][0]]
        return tuple(d for d in _expand(group, _bundled_source) if d.spec.task == name)
    path = user_path(name, TaskError)
    if path.is_dir():
        return _definitions_of_folder(path)
    if path.is_file() or path.suffix in SUFFIXES:
        return definitions_of_file(path)
    known = [*bundled.files, *bundled.members]
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`calibaudit tasks` lists the known ones"
    raise TaskError(f"task {name!r} is unknown, and there is no such file or folder: {hint}")


def _definitions_of_folder(folder: Path) -> tuple[Definition, ...]:
    paths = _yaml_files(folder, deep=False)
    if not paths:
        raise TaskError(f"{folder}: there is no task file (*.yaml) in this folder")
    found: dict[str, Definition] = {}
    for source in _catalogue(paths).files.values():
        for definition in _expand(source, _beside(source)):
            found.setdefault(definition.spec.task, definition)
    return tuple(found.values())


def _beside(source: Source) -> Lookup:
    """Names as a file's group may use them: of the files of its folder first, then bundled tasks, then tags there."""

    @lru_cache(maxsize=1)
    def siblings() -> tuple[dict[str, Source], dict[str, list[Source]]]:
        names: dict[str, Source] = {}
        tags: dict[str, list[Source]] = {}
        paths = [path for path in _entries(source.path.parent) if path.suffix in SUFFIXES and path.is_file()]
        # What begins with `_` is mostly a part of others; where it is not, it comes last.
        for path in sorted(paths, key=lambda path: (path.name.startswith("_"), path)):
            try:
                sibling = read_source(path)
            except TaskFileError:
                # A fault in a file that nobody named is not this group's.
                continue
            name = sibling.data.get("group", sibling.data.get("task"))
            if not isinstance(name, str) or name in names:
                continue
            names[name] = sibling
            tag = sibling.data.get("tag")
            for word in tag if isinstance(tag, list) else [tag]:
                if isinstance(word, str) and not _is_group(sibling):
                    tags.setdefault(word, []).append(sibling)
        return names, tags

    def lookup(name: str) -> tuple[Source, ...]:
        names, tags = siblings()
        if name in names:
            return (names[name],)
        tagged = sorted(tags.get(name, ()), key=lambda sibling: str(sibling.data["task"]))
        return _bundled_source(name) or tuple(tagged)

    return lookup


def _expand(
    source: Source, lookup: Lookup, over: Source = _EMPTY, above: tuple[str, ...] = ()
) -> tuple[Definition, ...]:
    """The tasks of a task's or a group's mapping; `over` has the keys that a group above sets for its members."""
    if not _is_group(source):
        return (parse_task(replace(over.over(source), path=source.path)),)
    spec = parse_group(source)
    if spec.group in above:
        raise TaskFileError([f"{source.place('group')}: group {spec.group} contains itself"])
    defaults = over.over(source.without(*GroupSpec.model_fields))
    found: list[Definition] = []
    faults: list[str] = []
    for index in range(len(spec.task)):
        try:
            found.extend(_expand_member(source, index, lookup, defaults, (*above, spec.group)))
        except TaskFileError as error:
            faults.extend(error.faults)
    if not spec.task:
        faults.append(f"{source.place('task')}: group {spec.group} has no tasks")
    if faults:
        raise TaskFileError(faults)
    return tuple(found)


def _expand_member(
    source: Source, index: int, lookup: Lookup, defaults: Source, above: tuple[str, ...]
) -> tuple[Definition, ...]:
    """One entry of a group's list: a name, or a mapping whose keys win over the group's."""
    place = source.place("task", index)
    member = source.data["task"] if isinstance(source.data["task"], str) else source.data["task"][index]
    if isinstance(member, str):
        known = lookup(member)
        if not known:
            near = get_close_matches(member, [*_bundled().files, *_bundled().members], n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TaskFileError(
                [f"{place}: {member!r} is neither a task file or tag of this folder nor a bundled task{hint}"]
            )
        return tuple(found for one in known for found in _expand(one, lookup, defaults, above))
    inline = merge_includes(source.inner("task", index))
    if "group" in inline.data:
        return _expand(inline, lookup, defaults, above)
    name = inline.data.get("task")
    if not isinstance(name, str):
        raise TaskFileError([f"{place}: a member needs `task: NAME` or `group: NAME`"])
    whole = inline.over(replace(defaults, path=source.path))
    known = lookup(name)
    if known and known[0].data.get("task") != name and not _is_group(known[0]):  # a tag
        return tuple(parse_task(whole.without("task").over(one)) for one in known)
    return (parse_task(whole.over(known[0]) if known and not _is_group(known[0]) else whole),)


def _summary(source: Source) -> TaskSummary:
    definitions = _expand(source, _bundled_source)
    specs = [definition.spec for definition in definitions]
    scorings = {spec.default_scoring for spec in specs}
    sources = dict.fromkeys(spec.dataset_path for spec in specs)
    group = _is_group(source)
    metadata = source.data.get("metadata") or {}
    return TaskSummary(
        name=source.data["group"] if group else specs[0].task,
        scoring=scorings.pop() if len(scorings) == 1 else None,
        source=", ".join(sources),
        n_items=None if group else _count_own_items(definitions[0]),
        description=str(metadata.get("description", "")),
        members=tuple(spec.task for spec in specs) if group else (),
    )


def _count_own_items(definition: Definition) -> int | None:
    """Lines of a JSONL file of ours; None where counting would mean loading a data set."""
    path = definition.folder("dataset_path") / definition.spec.dataset_path
    if path.suffix != ".jsonl" or not path.is_file():
        return None
    return sum(1 for line in _lines(path) if line.strip())


def _lines(path: Path) -> Iterator[bytes]:
    with open_file(path, TaskError) as file:
        yield from lines_of(file, str(path), TaskError)
