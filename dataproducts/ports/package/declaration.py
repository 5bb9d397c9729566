"""`Package(...)`: what a dataset's author declares of the files that its versions are published as."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dataproducts import settings
from dataproducts.errors import DeclarationError
from dataproducts.formats.addresses import link
from dataproducts.history.store import DatasetHistory
from dataproducts.messages import PortFacts
from dataproducts.package.columns import columns
from dataproducts.package.descriptor import NAME
from dataproducts.package.files import FORMATS, Format
from dataproducts.ports.port import Offered, OutputPort, Session

_MOST_SHOWN = 1_000  # characters of the columns that were left out


@dataclass(frozen=True)
class Package(OutputPort):
    """Every version of the dataset as immutable files, and a `datapackage.json` of what is current.

    `to` is a folder or object-store URL (s3://..., gs://...), by default DATAPRODUCTS_PACKAGES, or `packages` under the home. There, under
    `<product>/<dataset>`, lie `<partition>/v<version>/<dataset>.<format>` and the Data Package of that version beside it. Personal columns
    are left out, unless `with_personal` where the product's access allows. `url` is the address, if there is one, under which readers find
    `to` on the web.
    """

    kind: ClassVar[Literal["bigquery", "kafka", "file"]] = "file"
    empties: ClassVar[bool] = True

    to: str | None = None
    format: Format = "csv"
    with_personal: bool = False
    url: str | None = None

    @property
    def name(self) -> str:
        """Third part of the port's asset key."""
        return "package"

    def check(self, offered: Offered) -> None:
        """Raise DeclarationError where the files would not be what readers of the dataset see, or hold what may not leave."""
        if self.format not in FORMATS:
            raise DeclarationError(f"{offered.dataset}: format is {self.format!r}; a package is {' or '.join(FORMATS)}")
        if offered.contract.kind == "history":
            raise DeclarationError(
                f"{offered.dataset}: intervals follow from all partitions together, and a version's files never change; publish the "
                "snapshots, or write the intervals with `dataproducts package`"
            )
        if self.url is not None and link(self.url) is None:
            raise DeclarationError(f"{offered.dataset}: {self.url!r} is no address on the web; write one as https://...")
        columns(offered, self.with_personal)

    def facts(self, offered: Offered) -> PortFacts:
        """The address is that of the newest descriptor, from which all files are found."""
        chosen = columns(offered, self.with_personal)
        left_out = ", ".join(chosen.left_out)
        shown = {
            "format": self.format.upper(),
            "each version": f"<partition>/v<version>/{offered.name}.{self.format}",
            "left out": left_out if len(left_out) <= _MOST_SHOWN else f"{left_out[:_MOST_SHOWN]}…",
        }
        base = f"{self.url.rstrip('/')}/{offered.dataset}" if self.url else self.root(offered)
        return PortFacts(
            name=self.name,
            kind="file",
            address=f"{base}/{NAME}",
            title=f"Data Package ({self.format.upper()})",
            facts={name: value for name, value in shown.items() if value},
        )

    def remedy(self, offered: Offered) -> str:
        """What is not there is written again."""
        return f"delete the folder of that version there and materialize {offered.dataset}/{self.name}, which writes it again"

    def resources(self) -> Mapping[str, Any]:
        """None: object stores are reached as the lake is, with credentials from the environment."""
        return {}

    def idle(self) -> str | None:
        """In the cloud the home is a pod's own disk, which nobody reads and which does not last."""
        if self.to or os.environ.get("DATAPRODUCTS_PACKAGES") or settings.environment() == "local":
            return None
        return "DATAPRODUCTS_PACKAGES is not set, so no packages are published; set it to a folder or bucket, such as gs://my-team-packages"

    def open(self, offered: Offered, history: DatasetHistory, resources: Mapping[str, Any], run: str) -> AbstractContextManager[Session]:
        """A session on the folder of the dataset."""
        return self._opened(offered, history)

    @contextmanager
    def _opened(self, offered: Offered, history: DatasetHistory) -> Iterator[Session]:
        from dataproducts.ports.package.place import place
        from dataproducts.ports.package.session import PackageSession

        yield PackageSession(offered, history, place(self.root(offered)), self.format, columns(offered, self.with_personal))

    def root(self, offered: Offered) -> str:
        """The folder or URL of the dataset's files."""
        return f"{(self.to or settings.packages()).rstrip('/')}/{offered.dataset}"
