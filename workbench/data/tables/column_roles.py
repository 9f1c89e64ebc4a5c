"""Which column of the rows is which role of a task's shapes (`workbench.data.tables.roles`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from workbench.core.errors import BadInput
from workbench.core.text import clean
from workbench.data.formats import column_faults, faults
from workbench.data.tables import columns, text_template
from workbench.data.tables.roles import Role, Shape
from workbench.data.tables.text_template import TextTemplate
from workbench.recipe import Data, Recipe

# Of a turn, what may be a text in one row and a list of parts in another; the parts are JSON then.
_PARTS_OR_TEXT = ("content", "value")


@dataclass(frozen=True)
class Columns:
    """The shape of the rows, and the column or columns of each role there is. No name told which are `guessed`.

    `templates` are of the columns that are made of others, by their names.
    """

    shape: Shape
    named: dict[str, tuple[str, ...]]
    guessed: tuple[str, ...] = ()
    templates: Mapping[str, TextTemplate] = field(default_factory=dict)

    def of(self, role: str) -> str | None:
        """The (first) column of a role, None where there is none."""
        return next(iter(self.named.get(role, ())), None)

    def lone(self, role: str) -> str | None:
        """The column of a role that has just one."""
        named = self.named.get(role, ())
        return named[0] if len(named) == 1 else None

    def filled(self) -> dict[str, tuple[str, ...]]:
        """The roles without which a row is of no use, with their columns."""
        roles = (role.name for role in self.shape.roles if role.filled)
        return {name: self.named[name] for name in roles if name in self.named}

    def nothing(self) -> tuple[str, ...]:
        """The columns in which an empty list says that there is nothing."""
        return tuple(name for role in self.shape.roles if role.nothing for name in self.named.get(role.name, ()))


def find(recipe: Recipe, shapes: Sequence[Shape], train: pa.Table, where: str) -> Columns:
    """Which column is what. Raises BadInput for roles that no shape has together, DataError where no shape fits."""
    found = _found(recipe, shapes, train, where)
    return _joining(found, written_templates(recipe.data, found.shape.roles))


def _found(recipe: Recipe, shapes: Sequence[Shape], train: pa.Table, where: str) -> Columns:
    asked = named(recipe.data, shapes)
    fitting = [shape for shape in shapes if set(asked) <= {role.name for role in shape.roles}]
    if "text" in asked and "text_pair" not in asked:
        # Whoever names the one text of a pair, as for a baseline that sees no premise, means it alone.
        fitting = [shape for shape in fitting if shape.name != "pair"]
    if not fitting:
        raise BadInput(
            f"{recipe.task} cannot use {' together with '.join(f'data.{name}' for name in asked)}",
            where="data",
            hint=f"name {_listed(shapes)}",
        )
    for shape in fitting:
        if (found := _complete(shape, asked, train, where)) is not None:
            return found
    return _likeliest(fitting, asked, train, where)


def named(data: Data, shapes: Sequence[Shape]) -> dict[str, tuple[str, ...]]:
    """The roles a recipe names, with their columns, those of a template among them. Raises BadInput."""
    roles = {role.name: role for shape in shapes for role in shape.roles}
    given = {name: value for name in sorted(roles) if (value := getattr(data, name)) is not None}
    templates = written_templates(data, roles.values())
    return {
        name: templates[name].columns if name in templates else (value,) if isinstance(value, str) else tuple(value)
        for name, value in given.items()
    }


def written_templates(data: Data, roles: Iterable[Role]) -> dict[str, TextTemplate]:
    """The templates by which a recipe makes texts of several columns, by role. Raises BadInput."""
    given = {role.name: getattr(data, role.name) for role in roles if role.texts}
    found = {name: text_template.checked(value, f"data.{name}") for name, value in given.items() if value is not None}
    return {name: template for name, template in found.items() if template is not None}


def _joining(found: Columns, written: Mapping[str, TextTemplate]) -> Columns:
    """The same where texts that are made of several columns are in one of their own."""
    several = {role.name: found.named.get(role.name, ()) for role in found.shape.roles if role.texts}
    templates = {
        role: written.get(role) or TextTemplate.joining(names)
        for role, names in several.items()
        if len(names) > 1 or role in written
    }
    titles = {role: " + ".join(template.columns) for role, template in templates.items()}
    named = found.named | {role: (title,) for role, title in titles.items()}
    return replace(found, named=named, templates={titles[role]: template for role, template in templates.items()})


def joined(chosen: Columns, table: pa.Table, where: str) -> pa.Table:
    """The table with a column more for each text that is made of others. Raises DataError where it lacks one."""
    for title, template in chosen.templates.items():
        for name in template.columns:
            columns.named(table, name, where, _field_of(chosen, title))
        parts = {name: columns.strings(table, name, where) for name in template.columns}
        others = table.select([name for name in table.column_names if name != title])
        table = others.append_column(title, template.column(parts)).replace_schema_metadata(table.schema.metadata)
    return table


def _field_of(chosen: Columns, column: str) -> str:
    return next(f"data.{role}" for role, names in chosen.named.items() if column in names)


def _listed(shapes: Sequence[Shape]) -> str:
    return " or ".join(", ".join(f"data.{role.name}" for role in shape.roles if role.needed) for shape in shapes)


def _complete(shape: Shape, asked: dict[str, tuple[str, ...]], train: pa.Table, where: str) -> Columns | None:
    """The shape's columns if they are all there by name, else None. Raises DataError for a named one that is not."""
    found = _recognised(shape, asked, train, where)
    there = all(role.name in found for role in shape.roles if role.needed)
    return Columns(shape, found) if there else None


def _likeliest(shapes: Sequence[Shape], asked: dict[str, tuple[str, ...]], train: pa.Table, where: str) -> Columns:
    """The columns of the plainest shape, those that no name tells guessed. Raises DataError for roles that have none.

    What is lacking is told of the shape that most columns speak for.
    """
    plainest = shapes[-1]
    found = _recognised(plainest, asked, train, where)
    guessed = {} if columns.headless(train) else _guessed(plainest, found, train)
    if all(role.name in found | guessed for role in plainest.roles if role.needed):
        return Columns(plainest, found | guessed, tuple(guessed))
    nearest = max(reversed(shapes), key=lambda shape: len(_recognised(shape, asked, train, where)))
    there = _recognised(nearest, asked, train, where)
    lacking = [role.name for role in nearest.roles if role.needed and role.name not in there]
    raise columns.unrecognised(train, lacking, where)


def _guessed(shape: Shape, found: dict[str, tuple[str, ...]], train: pa.Table) -> dict[str, tuple[str, ...]]:
    guessed: dict[str, tuple[str, ...]] = {}
    for role in shape.roles:
        if role.likely and role.name not in found:
            guess = columns.likely_text if role.texts else columns.likely_label
            name = guess(train, besides=_flat(found | guessed))
            guessed |= {} if name is None else {role.name: (name,)}
    return guessed


def _recognised(
    shape: Shape, asked: dict[str, tuple[str, ...]], train: pa.Table, where: str
) -> dict[str, tuple[str, ...]]:
    found = {
        name: tuple(columns.named(train, column, where, f"data.{name}") for column in asked[name]) for name in asked
    }
    for role in shape.roles:
        if role.name not in found:
            usual = columns.recognised(train, role.usual, texts=role.texts, besides=_flat(found))
            found |= {role.name: usual} if usual else {}
    return found


def _flat(found: dict[str, tuple[str, ...]]) -> list[str]:
    return [column for names in found.values() for column in names]


def note(chosen: Columns, data: Data) -> list[str]:
    """What was recognised that changes what is learnt, and that nobody asked for by name."""
    said = [
        f"{role}: column {faults.quoted(chosen.of(role))} is taken for it, and no name says so: if it is another, "
        f"name it in data.{role}"
        for role in chosen.guessed
    ]
    if chosen.of("text_pair") is not None and getattr(data, "text_pair", None) is None:
        said.append(f"pairs of texts: {clean(chosen.of('text') or '')} and {clean(chosen.of('text_pair') or '')}")
    return said


def note_faults(chosen: Columns, table: pa.Table) -> list[str]:
    """What is wrong with columns that nothing is taken from."""
    met = column_faults.of(table)
    read = column_faults.of_columns(table, read_columns(chosen))
    return [f"{fault.where}: {fault.what}; nothing is read from it" for path, fault in met.items() if path not in read]


def read_columns(chosen: Columns) -> list[str]:
    """The columns that something is taken from, by themselves or as parts of a text."""
    parts = [name for template in chosen.templates.values() for name in template.columns]
    return [*_flat(chosen.named), *parts]


def unread(chosen: Columns, table: pa.Table) -> list[str]:
    """The columns that nothing is taken from. Of an object that is led into, all is taken."""
    named = read_columns(chosen)
    read = {name.split(".")[0] for name in named} | set(named)
    return [name for name in columns.names(table) if name not in read]


def completed(chosen: Columns, table: pa.Table, train: pa.Table) -> pa.Table:
    """The split with those columns of train, holding nothing, that it lacks and that a row may be without."""
    optional = (role for role in chosen.shape.roles if not role.needed and not role.filled)
    for name in [name for role in optional for name in chosen.named.get(role.name, ())]:
        if name not in table.column_names:
            empty = pa.nulls(table.num_rows, train.schema.field(name).type)
            table = table.append_column(train.schema.field(name), empty)
    return table


def check(chosen: Columns, table: pa.Table, where: str) -> None:
    """Whether a split has the columns that train has, and they can be read. Raises DataError."""
    forgiven = [f"{name}[].{part}" for name in chosen.named.get("messages", ()) for part in _PARTS_OR_TEXT]
    column_faults.check(column_faults.without(table, forgiven), read_columns(chosen))
    for role in chosen.shape.roles:
        for name in chosen.named.get(role.name, ()):
            columns.named(table, name, where, f"data.{role.name}")
            if role.texts:
                columns.strings(table, name, where)


def reading(chosen: Columns, table: pa.Table, where: str) -> pa.ChunkedArray:
    """What a reader reads of each row, as one string: words joined by spaces, several texts by line feeds."""
    parts = [columns.readable(table, name, where) for role in chosen.shape.reads for name in chosen.named.get(role, ())]
    return columns.joined(parts, "\n")
