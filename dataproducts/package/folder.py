"""`dataproducts package`: what a product or dataset has, or had, as a Data Package in a folder of its own, whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError, DeclarationError, UnknownDataset
from dataproducts.formats.addresses import Addresses
from dataproducts.history import lake
from dataproducts.history.ledger import UNPARTITIONED
from dataproducts.package import files, texts
from dataproducts.package.columns import columns
from dataproducts.package.descriptor import NAME, Resource, descriptor
from dataproducts.package.files import Format
from dataproducts.ports.port import Offered


@dataclass(frozen=True)
class Wanted:
    """What to take along: as it is known now or was known then, of a partition or all, in which form."""

    form: Format = "csv"
    as_of: str | None = None
    partition: str | None = None
    with_personal: bool = False


@dataclass(frozen=True)
class Packaged:
    """What was written, and in sentences which datasets are not in it."""

    folder: Path
    resources: tuple[Resource, ...]
    left: tuple[str, ...] = ()


def package(name: str, offers: Sequence[Offered], folder: Path, wanted: Wanted, *, force: bool = False) -> Packaged:
    """Write the package of a product ("shop", all its datasets) or of one dataset ("shop/sales").

    Of a product, datasets without rows to give are left out and named. Raises ConfigurationError where the folder is taken (`force`
    replaces a package, and nothing else), UnknownDataset where there is nothing to give, DeclarationError where access says no.
    """
    _refuse_taken(folder, force)
    whole_product = "/" not in name
    addresses = Addresses(settings.catalog_pages())
    resources: list[Resource] = []
    left: list[str] = []
    with _whole(folder) as draft:
        (draft / "data").mkdir()
        for offered in offers:
            try:
                resources.append(_resource(offered, draft, wanted))
            except (UnknownDataset, DeclarationError) as error:
                if not whole_product or (wanted.with_personal and isinstance(error, DeclarationError)):
                    raise
                left.append(str(error))
        if not resources:
            raise UnknownDataset(f"{name} has nothing to package: {left[0]}")
        facts = resources[0].offered.facts
        title = facts.title.best("en") if whole_product else resources[0].offered.title
        about = facts.description.best("en") if whole_product else resources[0].offered.description or facts.description.best("en")
        version = facts.version if whole_product else str(resources[0].offered.contract.version)
        (draft / NAME).write_bytes(descriptor(name, title, about, version, resources, addresses))
        (draft / "README.md").write_text(texts.readme(name, title, about, resources, left, addresses), encoding="utf-8")
        (draft / "LICENSE.md").write_text(texts.license_text(facts), encoding="utf-8")
        if any(one.columns.personal for one in resources):
            _close(draft)
    return Packaged(folder, tuple(resources), tuple(left))


def _resource(offered: Offered, draft: Path, wanted: Wanted) -> Resource:
    contract, name = offered.contract, offered.dataset
    chosen = columns(offered, wanted.with_personal)
    versions, _ = lake.select(name, wanted.partition, as_of=wanted.as_of, contract=contract.version.major)
    if not versions:
        raise UnknownDataset(f"{name} has no version under its contract {contract.version}; materialize it first")
    path = f"data/{offered.name}.{wanted.form}"
    if contract.kind == "history":
        frame = files.intervals(name, wanted.as_of, wanted.partition, chosen.taken)
        file = files.write([frame], frame.schema, wanted.form, draft / path)
        return Resource(offered, chosen, tuple(sorted(versions, key=lambda v: v.partition)), wanted.form, (path,), (file,))
    # a table's key tells rows of one partition apart; a snapshot has but one partition here
    partition = contract.kind == "table" and any(v.partition != UNPARTITIONED for v in versions)
    history = lake.open_history(name)
    schema = files.schema(history, versions, chosen.taken, partition=partition)
    file = files.write(files.frames(history, versions, chosen.taken, partition=partition), schema, wanted.form, draft / path)
    return Resource(offered, chosen, tuple(sorted(versions, key=lambda v: v.partition)), wanted.form, (path,), (file,), partition)


def _refuse_taken(folder: Path, force: bool) -> None:
    if not folder.exists() and not folder.is_symlink():
        return
    if not force:
        raise ConfigurationError(f"{folder} is there already; give another folder with -o, or replace the package with --force")
    if folder.is_symlink() or not folder.is_dir() or (any(folder.iterdir()) and not (folder / NAME).is_file()):
        raise ConfigurationError(f"{folder} is no data package, so --force does not replace it; give another folder with -o")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its name when the block ends and vanishes when it fails."""
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    before = draft.with_name(f"{draft.name}.before")
    try:
        draft.mkdir(parents=True)
        yield draft
        _durable(draft)
        if folder.exists():
            folder.rename(before)
        try:
            draft.rename(folder)
        except OSError:
            if before.exists():
                with suppress(OSError):
                    before.rename(folder)
            raise
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror or error}); give another folder, or make room") from error
    finally:
        for leftover in (draft, before):
            shutil.rmtree(leftover, ignore_errors=True)


def _durable(draft: Path) -> None:
    for path in draft.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _close(draft: Path) -> None:
    """Only the owner of the files reads them."""
    for path in (draft, *draft.rglob("*")):
        path.chmod(stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR)
