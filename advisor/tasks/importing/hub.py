"""Data sets of the hub by name, through `datasets`: read once into its cache, and from there without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from advisor.errors import UserError
from advisor.extras import hub_unheard, needed
from advisor.tasks.faults import listed
from advisor.tasks.importing.contract import Dropped, ImportChoices, ImportSource, Record, SourceFormat
from advisor.tasks.importing.naming import split_of
from advisor.tasks.importing.row_formats import row_format
from advisor.tasks.importing.rows import Read, RowSource, SourceRow
from advisor.tasks.importing.rowwise import RowFormat
from advisor.tasks.importing.tables import TableFormat
from advisor.tasks.task import Place

PREFIX = "hf:"
_BUILDERS = ("arrow", "cache", "csv", "json", "parquet", "text")  # others unpickle, or hold no texts
_AT_ONCE = 1_000  # rows
_SAVED = ("dataset_dict.json", "state.json")
_HINT = "check the name on the hub; without a network it must be in the cache: load it once where there is one"


class Hub(SourceFormat):
    """A data set of the hub, `hf:NAME[/CONFIG][:SPLIT]`, or a folder that `save_to_disk` wrote.

    Its rows are read as the format that they are of: SQuAD on the hub is SQuAD. Others are read by their columns.
    """

    name = "hub"
    called = "a data set of the hub"
    examples_of = "hf:squad, hf:glue/sst2, hf:org/name/config:train, or a folder of save_to_disk"

    def __init__(self, inner: RowFormat) -> None:
        super().__init__()
        self._inner = inner
        self.kind, self.instruction = inner.kind, inner.instruction

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        """The data set opened.

        Raises:
            UserError: `datasets` is not installed, or the data set cannot be had, or is not of the format asked for.
            Unclear: its columns do not tell which of them is the answer.
        """
        if source.name.startswith(PREFIX):
            rows = _by_name(source)
        elif source.path is not None and any((source.path / name).is_file() for name in _SAVED):
            rows = _HubRows.of(_saved(source.path), source)
        else:
            return None
        asked = source.asked
        if asked.format == cls.name:
            asked = replace(asked, format="")
        if found := row_format(rows, asked, source.name):
            return cls(found)
        table = TableFormat(rows, rows.usual(asked), source.name)
        table.kind = "classification" if table.columns["target"] in rows.labels else None
        return cls(table)

    def read(self) -> Iterator[Record | Dropped]:
        """All rows, in the order of the splits."""
        yield from self._inner.read()
        self.kind, self.instruction = self._inner.kind, self._inner.instruction
        self.columns = self._inner.columns
        self.notes += self._inner.notes


@dataclass(kw_only=True)
class _HubRows(RowSource):
    """The rows of a data set's splits, with the names of labels in place of their numbers.

    Attributes:
        names: of the columns that hold values to read; `texts`, `labels`: of those of texts and of one label.
    """

    name: str
    splits: Sequence[tuple[str, str, Any]]
    names: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    notes: list[str]

    def usual(self, asked: ImportChoices) -> ImportChoices:
        """What was asked for; where that is no column, the only column of labels is the answer, all texts the input."""
        if asked.target or asked.inputs or len(self.labels) != 1:
            return asked
        return replace(asked, inputs=self.texts, target=self.labels[0])

    def __iter__(self) -> Iterator[Read]:
        for called, split, data in self.splits:
            features = data.features
            number = 0
            for batch in data.iter(batch_size=_AT_ONCE):
                names = [name for name in self.names if name in batch]
                for cells in zip(*(batch[name] for name in names), strict=True):
                    number += 1
                    values = {name: _named(features[name], cell) for name, cell in zip(names, cells, strict=True)}
                    if isinstance(inner := values.get("translation"), dict):
                        values |= inner
                    yield SourceRow(values, Place(f"{self.name}:{called}", number), split)

    @classmethod
    def of(cls, splits: Mapping[str, Any], source: ImportSource) -> _HubRows:
        """The rows of the splits whose names tell what they are for; of all where none tells, or one is alone."""
        notes: list[str] = []
        told = {name: source.split or split_of(name) for name in splits}
        if len(told) == 1:
            told = dict.fromkeys(told, source.split)
        elif any(told.values()):
            for name in [name for name, split in told.items() if not split]:
                notes.append(
                    f"the split {name} is not read: its name does not tell what it is for ({PREFIX}...:{name})"
                )
                del told[name]
        features = next(iter(splits.values())).features
        kinds = {name: type(feature).__name__ for name, feature in features.items()}
        left = [name for name, kind in kinds.items() if kind in ("Image", "Audio", "Video", "Pdf", "Nifti")]
        if left:
            notes.append(f"columns that hold no text are not read: {listed(left)}")
        labels = tuple(name for name, kind in kinds.items() if kind == "ClassLabel")
        if not source.split:
            _without_test(told, splits, labels, notes)
        texts = [name for name, kind in kinds.items() if kind == "Value" and "string" in features[name].dtype]
        texts = [name for name in texts if not re.fullmatch(r"(?i)(.*[_-])?(id|idx|index|guid|uuid)", name)]
        columns = [name for name in kinds if name not in left]
        columns += getattr(features.get("translation"), "languages", [])
        base = source.name.partition(":")[2].split(":")[0] if source.name.startswith(PREFIX) else source.name
        read = [(name, split, splits[name]) for name, split in told.items()]
        return cls(name=base, splits=read, names=tuple(columns), texts=tuple(texts), labels=labels, notes=notes)


def _without_test(told: dict[str, str], splits: Mapping[str, Any], labels: Sequence[str], notes: list[str]) -> None:
    """Leave out test sets whose labels are hidden."""
    for name in [name for name, split in told.items() if split == "test" and len(splits[name])]:
        if len(labels) == 1 and splits[name][0][labels[0]] in (-1, None):
            notes.append(f"the split {name} is not read: its labels are hidden")
            del told[name]


def _by_name(source: ImportSource) -> _HubRows:
    name, _, split = source.name.removeprefix(PREFIX).partition(":")
    if not name:
        raise UserError(f"{source.name}: no data set is named", "write hf:NAME, hf:NAME/CONFIG or hf:NAME:SPLIT")
    local = name.startswith((".", "/", "~"))
    found = _saved(Path(name).expanduser()) if local else _loaded(name, source)
    if not split:
        return _HubRows.of(found, source)
    if split not in found:
        raise UserError(f"{source.name}: there is no split {split}", f"the splits: {listed(found)}")
    return _HubRows.of({split: found[split]}, source)


def _loaded(name: str, source: ImportSource) -> Mapping[str, Any]:
    """The splits of a data set by name; of two parts the second may be a configuration."""
    with needed(f"{source.name}: reading the hub", "hub"):
        import datasets
    parts = name.split("/")
    if len(parts) > 3 or not all(parts):
        raise UserError(f"{source.name}: is no name of a data set", "write hf:NAME, hf:ORG/NAME or hf:ORG/NAME/CONFIG")
    ways: list[tuple[str, str | None]] = [(name, None)] if len(parts) < 3 else [("/".join(parts[:2]), parts[2])]
    if len(parts) == 2:
        ways.append((parts[0], parts[1]))
    told: Exception | None = None
    for path, config in ways:
        try:
            with hub_unheard():
                builder = datasets.load_dataset_builder(path, config)
            kind = type(builder).__module__.removeprefix("datasets.packaged_modules.").split(".")[0]
            if kind not in _BUILDERS:
                what = f"{source.name}: its files are {kind}, which are not read"
                raise UserError(what, "take a version of it in Parquet, JSON or CSV")
            with hub_unheard():
                builder.download_and_prepare()
            found = builder.as_dataset()
            return found if isinstance(found, dict) else {str(found.split): found}
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            told = told if told and not isinstance(error, ValueError) else error
    reason = str(told).split("\n", 1)[0].rstrip(".")
    hint = _HINT
    if "onfig" in reason:
        hint = f"name one: hf:{name}/CONFIG" + str(told).partition("\n")[2][:300].rstrip()
    raise UserError(f"{source.name}: cannot be had: {reason}", hint)


def _saved(path: Path) -> Mapping[str, Any]:
    """The splits that `save_to_disk` wrote to a folder."""
    with needed(f"{path}: reading a saved data set", "hub"):
        import datasets
    try:
        found = datasets.load_from_disk(str(path))
    except IndexError:  # a table that was saved without rows
        raise UserError(f"{path}: the data set holds no rows", "save one that does") from None
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise UserError(f"{path}: is no data set that was saved: {reason}", "write it with save_to_disk") from None
    return found if isinstance(found, dict) else {str(found.split or "all"): found}


def _named(feature: Any, value: Any) -> Any:
    """A value with names in place of the numbers of labels; hidden labels, -1, become None."""
    if value is None:
        return None
    if hasattr(feature, "int2str"):
        return feature.int2str(value) if isinstance(value, int) and 0 <= value < feature.num_classes else None
    if isinstance(feature, dict) and isinstance(value, dict):
        return {key: _named(feature.get(key), inner) for key, inner in value.items()}
    inner = getattr(feature, "feature", None)
    if inner is not None and isinstance(value, list):
        return [_named(inner, item) for item in value]
    return value
