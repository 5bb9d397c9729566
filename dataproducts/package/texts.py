"""What lies in a package for people: `README.md`, and `LICENSE.md` with the terms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataproducts.formats.addresses import Addresses, clean
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.package.descriptor import Resource
from dataproducts.product_facts import ProductFacts


def readme(name: str, title: str, description: str, resources: Sequence[Resource], left: Sequence[str], addresses: Addresses) -> str:
    """What the package holds and how to use it. `left` says in sentences which datasets are not in it."""
    facts = resources[0].offered.facts
    home = addresses.dataset(name) if "/" in name else addresses.product(name)
    parts = [f"# {_line(title)}", description.strip(), _contents(resources)]
    parts += [f"Not in this package: {one}" for one in left]
    if taken := [one for one in resources if one.columns.personal]:
        parts.append(_personal(facts, taken))
    if facts.limitations:
        parts += ["## Limitations", facts.limitations.strip()]
    parts += ["## Files and columns", *(_columns(one) for one in resources)]
    parts += [
        "## Where it comes from",
        *([facts.provenance.strip()] if facts.provenance else []),
        "`datapackage.json` names, for every file, the versions of the dataset that its rows are: partition, number, when it became known "
        "and the content hash. The file's own SHA-256 stands beside them. The same versions always give the same bytes.",
        f"The dataset as it is today, its history and its quality: <{home}>",
        "## Terms",
        terms(facts),
        "## Questions",
        f"{_line(facts.contact.name)}, <{facts.contact.email}>",
        "## Checking it",
        "```sh\npip install frictionless\nfrictionless validate datapackage.json\n```",
    ]
    return clean("\n\n".join(parts)) + "\n"


def license_text(facts: ProductFacts) -> str:
    """The terms, as a file of their own."""
    return clean(f"# {_line(facts.license.name)}\n\n{terms(facts)}\n")


def terms(facts: ProductFacts) -> str:
    """License, rights and whom to name."""
    of = facts.creator or facts.publisher
    lines = [f"Licensed under {_line(facts.license.name)}, <{facts.license.uri}>.", f"Source: {_line(of.name)}."]
    if of is not facts.publisher:
        lines.append(f"Made available by {_line(facts.publisher.name)}.")
    return " ".join(lines) + (f"\n\n{facts.rights.strip()}" if facts.rights else "")


def _contents(resources: Sequence[Resource]) -> str:
    lines = ["| dataset | file | rows | as of |", "|---|---|---:|---|"]
    for one in resources:
        files = f"`{one.paths[0]}`" if len(one.paths) == 1 else f"{len(one.paths)} files"
        lines.append(f"| {_cell(one.offered.title)} | {files} | {one.rows} | {_known(one.versions)} |")
    return "\n".join(lines)


def _known(versions: Sequence[Version]) -> str:
    if not versions:
        return ""
    known = max(v.known_at for v in versions).isoformat(timespec="seconds").replace("+00:00", "Z")
    keys = sorted({v.partition for v in versions} - {UNPARTITIONED})
    span = f"{_cell(keys[0])} to {_cell(keys[-1])}, " if len(keys) > 1 else f"{_cell(keys[0])}, " if keys else ""
    return f"{span}known at {known}"


def _columns(one: Resource) -> str:
    contract = one.offered.contract
    parts = [f"### {_line(one.offered.title)}", one.offered.description.strip()]
    lines = ["| column | type | may be missing | |", "|---|---|---|---|"]
    if one.partition:
        lines.append("| `_partition` | String | no | The part of the dataset that the row belongs to. |")
    for name in one.columns.taken:
        column = contract.by_name[name]
        unit = f" ({_cell(column.unit)})" if column.unit else ""
        lines.append(
            f"| `{_cell(name)}` | {_cell(re.sub(r'[(].*', '', str(column.dtype)))} | {'yes' if column.nullable else 'no'} | "
            f"{_cell(column.description)}{unit} |"
        )
    parts.append("\n".join(lines))
    if one.columns.left_out:
        listed = ", ".join(f"`{name}`" for name in one.columns.left_out)
        parts.append(f"Left out because they hold personal data: {listed}.")
    if contract.key and not set(contract.key) <= set(one.columns.taken):
        parts.append("The key of the dataset is among what was left out, so rows cannot be told apart by it.")
    return "\n\n".join(parts)


def _personal(facts: ProductFacts, taken: Sequence[Resource]) -> str:
    columns = ", ".join(f"`{one.offered.name}.{name}`" for one in taken for name in one.columns.personal)
    readers = ", ".join([facts.team, *facts.access.can_read])
    return (
        f"> **Personal data.** {columns} hold personal data. Only {_line(readers)} may read them; keep the package where nobody else can, "
        "and delete it when it has served its purpose. What is erased from the dataset later has to be erased here too."
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
