"""Hold rows against a contract: every rule's failures counted, every bad row found, nothing raised.

pandera decides; this module only asks it once per frame and reads the answer. Key uniqueness is checked apart, on sorted rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dataproducts.contract import Contract, Rule
from dataproducts.errors import ContractBreach

SAMPLES = 5
KEY_RULE = "key_unique"


@dataclass
class Finding:
    """What one rule said: how many rows break it, and a few of the values (none from personal columns)."""

    rule: Rule
    failed: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no row breaks the rule."""
        return self.failed == 0

    def merge(self, other: Finding) -> None:
        """Add what the same rule said of further rows."""
        self.failed += other.failed
        self.examples = list(dict.fromkeys(self.examples + other.examples))[:SAMPLES]


@dataclass
class Validated:
    """Findings by rule name, and for each row that breaks an error-level rule the names of the rules it breaks."""

    findings: dict[str, Finding]
    broken: dict[int, list[str]] = field(default_factory=dict)


def validate(frame: pl.DataFrame, contract: Contract) -> Validated:
    """Hold a frame with the contract's columns and types against all its rules but those of uniqueness."""
    import pandera.polars as pa
    from pandera.config import config_context

    findings = {rule.name: Finding(rule) for rule in contract.all_rules}
    validated = Validated(findings)
    assert contract.schema is not None
    try:
        with warnings.catch_warnings(), config_context(validation_enabled=True, validation_depth="SCHEMA_AND_DATA"):
            warnings.simplefilter("ignore")
            contract.schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        _read_failures(errors.failure_cases, contract, validated)
    return validated


def looks_at_values_alone(contract: Contract) -> bool:
    """Whether no rule can tell which rows it is given at once: pandera's own look at one value at a time, an author's may add them up."""
    import pandera.polars as pa

    kinds = {rule.kind for rule in contract.all_rules} - {"required", "unique"}
    return "unique_values_eq" not in kinds and all(pa.Check.is_builtin_check(kind) for kind in kinds)


def key_rule(contract: Contract) -> Rule | None:
    """The rule that no key occurs twice in a partition, if the contract has a key."""
    if not contract.key:
        return None
    return Rule(KEY_RULE, "unique", None, {"key": list(contract.key)}, f"{', '.join(contract.key)} identifies one row")


def unique_columns(contract: Contract) -> dict[str, tuple[str, ...]]:
    """What occurs once in a partition, by the rule that says so: the key, and the columns declared unique."""
    key = {KEY_RULE: contract.key} if contract.key else {}
    return {**key, **{r.name: (r.column,) for r in contract.all_rules if r.kind == "unique" and r.column is not None}}


def check_unique(frame: pl.DataFrame, contract: Contract, within: Iterable[str] = (), *, ordered: bool = False) -> Validated:
    """Find rows whose key or unique value occurs more than once; of a duplicate no row is taken to be the right one.

    Of rows in canonical order (`ordered`) equal keys are neighbours, which makes the answer cheap.
    """
    key = key_rule(contract)
    rules = {r.name: r for r in (*contract.all_rules, *([key] if key else ()))}
    validated = Validated({})
    for name, columns in unique_columns(contract).items():
        validated.findings[name] = Finding(rules[name])
        _duplicates(frame, (*within, *columns), name, contract, validated, ordered=ordered and name == KEY_RULE)
    return validated


def repeated(values: pl.DataFrame) -> pl.DataFrame:
    """The rows of `values` that occur more than once and lack nothing, each once."""
    values = values.drop_nulls()
    if any(dtype.is_nested() for dtype in values.dtypes):
        return values.filter(values.to_struct().is_duplicated()).unique(maintain_order=True)
    values = values.sort(values.columns)  # a third of the memory that counting them takes
    return values.filter(pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in values.columns)).unique(maintain_order=True)


def rows_holding(values: pl.DataFrame, frame: pl.DataFrame) -> list[int]:
    """Which rows of `frame` hold one of these values."""
    found = frame.select(values.columns).with_row_index("\x00row").join(values, on=values.columns, how="semi")
    return found.get_column("\x00row").sort().to_list()


def _duplicates(
    frame: pl.DataFrame, columns: tuple[str, ...], name: str, contract: Contract, validated: Validated, *, ordered: bool = False
) -> None:
    if not _has_duplicates(frame, columns, ordered):
        return
    marked = frame.select(pl.struct(columns).is_duplicated() & pl.all_horizontal(pl.col(columns).is_not_null()))
    rows = marked.to_series().arg_true()
    if rows.len() == 0:
        return
    finding = validated.findings[name]
    finding.failed += rows.len()
    if not any(contract.by_name[c].is_personal for c in columns if c in contract.by_name):
        keys = frame.select(c for c in columns if c in contract.by_name)[rows].unique(maintain_order=True).head(SAMPLES)
        finding.examples = [", ".join(str(v) for v in row) for row in keys.iter_rows()]
    if finding.rule.severity == "error":
        for index in rows:
            validated.broken.setdefault(index, []).append(name)


def _has_duplicates(frame: pl.DataFrame, columns: tuple[str, ...], ordered: bool) -> bool:
    if frame.height < 2:
        return False
    if ordered:
        return bool(frame.select(pl.all_horizontal(pl.col(c) == pl.col(c).shift(1) for c in columns).any()).item())
    rows = frame.select(columns)
    return (rows.to_series() if len(columns) == 1 else rows.to_struct()).n_unique() != frame.height


def _read_failures(cases: pl.DataFrame, contract: Contract, validated: Validated) -> None:
    assert contract.schema is not None
    for (context, column, check, number), group in cases.group_by(
        ["schema_context", "column", "check", "check_number"], maintain_order=True
    ):
        rule = _rule_of(contract, str(context), str(column), str(check), number)
        if rule is None:
            example = group.get_column("failure_case")[0]
            raise ContractBreach(f"{contract.dataset}: {_shape(str(check), str(column), str(example))}; nothing was stored")
        finding = validated.findings[rule.name]
        finding.failed += group.height
        personal = rule.column is None or contract.by_name[rule.column].is_personal
        if not personal:  # a failure of a rule over whole rows is the whole row as JSON: never shown
            finding.examples = [str(v) for v in group.get_column("failure_case").unique(maintain_order=True).head(SAMPLES)]
        if rule.severity == "error":
            for index in group.get_column("index"):
                if index is None:
                    raise ContractBreach(
                        f"{contract.dataset}: rule {rule.name} could not be applied: "
                        f"{str(group.get_column('failure_case')[0]).splitlines()[0]}"
                    )
                names = validated.broken.setdefault(index, [])
                if rule.name not in names:
                    names.append(rule.name)


def _rule_of(contract: Contract, context: str, column: str, check: str, number: Any) -> Rule | None:
    assert contract.schema is not None
    if context == "DataFrameSchema":
        return contract.rules[number] if number is not None and number < len(contract.rules) else None
    promised = contract.by_name.get(column)
    if promised is None:
        return None
    if check == "not_nullable":
        return next((r for r in promised.rules if r.kind == "required"), None)
    checks = [r for r in promised.rules if r.kind not in ("required", "unique")]
    return checks[number] if number is not None and number < len(checks) else None


def _shape(check: str, column: str, example: str) -> str:
    if check == "column_in_dataframe":
        return f"column {example!r} is missing"
    if check == "column_in_schema":
        return f"column {example!r} is not in the contract"
    return f"column {column!r} does not keep {check}: {example}"
