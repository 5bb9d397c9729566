"""A script as the function of a dataset: where it is, what it is given, and how the rows it hands over are found."""

from __future__ import annotations

import hashlib
import inspect
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts import masking
from dataproducts.errors import ConfigurationError, DeclarationError, SourceError
from dataproducts.history.ledger import UNPARTITIONED
from dataproducts.inputs import signature_of
from dataproducts.materialization import Result
from dataproducts.ports.inputs.locations import File
from dataproducts.ports.inputs.reading import Reader, format_of
from dataproducts.scripts import checkout, process
from dataproducts.scripts.task import Here, Place, Requirements, Say, Task
from dataproducts.secret_references import secret_of

if TYPE_CHECKING:
    from dataproducts.contract import Contract

PARTITION, OUTPUT, INPUT = "DATAPRODUCTS_PARTITION", "DATAPRODUCTS_OUTPUT", "DATAPRODUCTS_INPUT_"
_KINDS = {".py": "python", ".ipynb": "jupyter", ".qmd": "quarto", ".sh": "shell", ".r": "r"}
_PIPES = b"dagster_pipes"
_IMAGE = r"[a-z0-9]+([._:/@-]+[A-Za-z0-9_]+)*"


@dataclass(eq=False)
class Script:
    """A file that makes the rows of a dataset, as a process of its own.

    `file` is under `folder`, the product's, or under the root of the git `repository` at `ref`; with an `image` it runs in that, and
    without a file it is what the image runs by itself. `memory` is in bytes. `inputs` are the names of the datasets it is given, `contract`
    what its rows have to keep.
    """

    name: str
    file: str
    folder: Path
    repository: str | None = None
    ref: str = "main"
    requirements: str | None = None
    arguments: tuple[str, ...] = ()
    output: str = "output.parquet"
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    timeout: timedelta = timedelta(hours=1)
    memory: int | None = None
    image: str | None = None
    inputs: tuple[str, ...] = ()
    contract: Contract | None = None

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        """As a function of the partition and of the inputs."""
        return signature_of(self.inputs, pl.LazyFrame)

    @property
    def kind(self) -> str | None:
        """What it is written in, as Dagster shows it; None for what is not run."""
        if not self.file:
            return "container" if self.image is not None else None
        return _KINDS.get(Path(self.file).suffix.lower())

    @property
    def programs(self) -> list[str]:
        """What has to be installed for it, besides Python."""
        runs = {"quarto": "quarto", "shell": "sh", "r": "Rscript"}.get(self.kind or "") if self.image is None else None
        wanted = {runs: runs is not None, "git": self.repository is not None, "uv": self.requirements is not None}
        return [name for name, is_needed in wanted.items() if name is not None and is_needed]

    @property
    def what(self) -> str:
        """What it is called in a sentence."""
        return self.file or self.image or self.name

    @property
    def digest(self) -> str:
        """Tells two editions of the script apart, as far as they lie here; of a repository it is the ref."""
        what = [
            self.file,
            self.repository or "",
            self.ref,
            *self.arguments,
            self.output,
            *(f"{k}={v}" for k, v in self.environment.items()),
            *([self.image] if self.image is not None else []),
        ]
        content = [text.encode() for text in what]
        if self.repository is None:
            content += [path.read_bytes() for path in map(self._local, (self.file, self.requirements)) if path is not None]
        return hashlib.sha256(b"\0".join(content)).hexdigest()[:12]

    def refuse_faults(self, contract: Contract) -> None:
        """Raise DeclarationError where nothing could come of it under this contract, which is its own from now on."""
        self.contract = contract
        masking.declare(*self.secrets)
        where = f"{contract.dataset}: script {self.what!r}"
        if self.image is not None and not re.fullmatch(_IMAGE, self.image):
            raise DeclarationError(f"{contract.dataset}: {self.image!r} is no name of an image; write it as registry/name:tag")
        if self.image is not None and self.requirements is not None:
            raise DeclarationError(f"{where} brings its packages in its image; leave requirements out, or the image")
        if self.kind is None:
            raise DeclarationError(f"{where} is of no kind that is run; it ends with {', '.join(_KINDS)}")
        for path in filter(None, (self.file, self.requirements, self.output)):
            if Path(path).is_absolute() or ".." in Path(path).parts:
                raise DeclarationError(f"{contract.dataset}: {path!r} leads elsewhere; write a path below the script's own folder")
        if self.repository is not None:
            checkout.refuse_faults(self.repository, self.ref, contract.dataset)
        else:
            for path in filter(None, (self.file, self.requirements)):
                if not (self.folder / path).is_file():
                    raise DeclarationError(f"{contract.dataset}: there is no file {self.folder.name}/{path}; correct the path")
        if format_of(self.output) is None:
            raise DeclarationError(
                f"{where} hands over {self.output!r}, whose name says not what it is; end it with .parquet, .csv or .json"
            )
        cast = next((c for c in contract.columns if not isinstance(c.dtype, pl.String)), None)
        if format_of(self.output) in ("csv", "excel") and cast is not None and not contract.takes_source:
            raise DeclarationError(
                f"{where} hands over text, and column {cast.name!r} is {cast.dtype}; give the columns source=, so that it is cast"
            )
        for name in (*self.environment, *self.secrets):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.startswith("DATAPRODUCTS_"):
                raise DeclarationError(f"{where}: {name!r} is no variable it can be given; use letters, digits and '_', not DATAPRODUCTS_")

    def __call__(self, *, partition: str = UNPARTITIONED, **frames: Any) -> pl.DataFrame:
        """What the script hands over, as one frame: for tests of it."""
        if missing := [name for name in self.inputs if name not in frames]:
            raise DeclarationError(f"{self.name} is given {missing[0]!r}; give a frame of that name")
        given = {name: frame.lazy() for name, frame in frames.items()}
        result = self.run(partition, given, print)
        parts = [part if isinstance(part, pl.DataFrame) else pl.DataFrame(part) for part in result.rows]
        return pl.concat(parts) if parts else pl.DataFrame()

    def run(
        self,
        partition: str,
        frames: Mapping[str, pl.LazyFrame],
        say: Say,
        bootstrap: Callable[[], Mapping[str, str]] = dict,
        place: Place | None = None,
        message: Callable[[str], bool] = lambda line: False,
    ) -> Result:
        """Run it for one partition; its rows are read when they are taken. `bootstrap` gives further variables, if it asks for Dagster.

        It is run here, or at another place, where `message` takes the lines that are for Dagster. Raises SourceError where it fails, hangs,
        outgrows its memory or hands nothing over, ConfigurationError where a secret is missing.
        """
        contract, place = self.contract, place or Here()
        assert contract is not None
        where = contract.dataset if partition == UNPARTITIONED else f"{contract.dataset}: partition {partition!r}"
        secrets = {name: secret_of(name) for name in self.secrets}
        if (absent := next((name for name, value in secrets.items() if not value), None)) is not None:
            raise ConfigurationError(f"{where}: its script needs the secret {absent}; set that variable")
        work = tempfile.TemporaryDirectory(prefix="dataproducts-")
        root = Path(work.name).resolve() / "files"
        facts: dict[str, Any] = {"script": self.what}
        if self.repository is not None:
            facts["commit"] = checkout.checked_out(self.repository, self.ref, root, where)
            facts["repository"] = checkout.shown(self.repository)
            if self.file and not (root / self.file).is_file():
                raise SourceError(f"{where}: {checkout.shown(self.repository)} has no file {self.file} at {self.ref}; nothing was stored")
        elif (file := self._local(self.file)) is not None:
            shutil.copytree(file.parent, root / Path(self.file).parent, symlinks=True)
        else:
            root.mkdir()
        output = (root / Path(self.file).parent / self.output).resolve()
        if not output.is_relative_to(root):
            raise SourceError(f"{where}: {self.output} leads out of the script's folder; nothing was stored")
        output.unlink(missing_ok=True)  # one that came with the script was not made by it
        variables = {**self.environment, OUTPUT: str(output), **({PARTITION: partition} if partition != UNPARTITIONED else {})}
        given: dict[str, Path] = {}
        for name, frame in frames.items():
            given[name] = root.parent / f"{name}.parquet"
            frame.sink_parquet(given[name])
            variables[f"{INPUT}{name.upper()}"] = str(given[name])
        if self.file and _PIPES in (root / self.file).read_bytes():
            variables |= bootstrap()
        requirements = self._requirements(root, where)
        python = str(place.python(root.parent, requirements, where, say)) if requirements is not None else self._python
        command, arguments = self._command(python, root, partition, output, given)
        ended = place.run(
            Task(
                where=where,
                what=self.what,
                work=root.parent,
                folder=root / Path(self.file).parent,
                command=command,
                arguments=arguments,
                variables=variables,
                secrets=secrets,
                output=output,
                seconds=self.timeout.total_seconds(),
                memory=self.memory,
                image=self.image,
                requirements=requirements,
                say=say,
                message=message,
            )
        )
        self._refuse(ended, where)
        if not output.is_file():
            raise SourceError(
                f"{where}: {self.what} ended well and handed nothing over; it has to write the file that {OUTPUT} names, or {self.output} "
                f"beside itself{_saying(ended)}"
            )
        return Result(self._rows(output, contract, where, work), facts)

    def _refuse(self, ended: process.Ended, where: str) -> None:
        if ended.trouble:
            raise SourceError(f"{where}: {self.what}: {ended.trouble}{_saying(ended) if ended.last else ''}; nothing was stored")
        if ended.stopped == "time":
            raise SourceError(
                f"{where}: {self.what} did not end within {_spelled(self.timeout)} and was stopped{_saying(ended)}; nothing was stored"
            )
        if ended.status and ended.memory:
            bound = f" of {self.memory // 2**20} MiB" if self.memory is not None else ""
            raise SourceError(f"{where}: {self.what} outgrew its memory{bound}{_saying(ended)}; nothing was stored")
        if ended.status:
            how = f"ended with status {ended.status}" if ended.status > 0 else f"was ended by signal {-ended.status}"
            raise SourceError(f"{where}: {self.what} {how}{_saying(ended)}; nothing was stored")

    @property
    def _python(self) -> str:
        return sys.executable if self.image is None else "python3"

    def _requirements(self, root: Path, where: str) -> Requirements | None:
        if self.requirements is None:
            return None
        wanted = root / self.requirements
        if self.repository is None and not wanted.is_file():  # which need not lie in the script's own folder
            wanted.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / self.requirements, wanted)
        if not wanted.is_file():
            raise SourceError(f"{where}: there is no file {self.requirements} beside {self.file}; nothing was stored")
        return Requirements(wanted, ["papermill", "ipykernel"] if self.kind == "jupyter" else [])

    def _command(self, python: str, root: Path, partition: str, output: Path, given: Mapping[str, Path]) -> tuple[list[str], list[str]]:
        """What runs it, and its arguments."""
        file = root / self.file
        named = {"partition": partition, "output": str(output), **{f"input:{name}": str(path) for name, path in given.items()}}
        arguments = [re.sub(r"\{([\w:]+)\}", lambda m: named.get(m[1], m[0]), argument) for argument in self.arguments]
        if self.kind == "container":
            return [], arguments
        if self.kind == "jupyter":
            told = {"partition": partition, "output": str(output), **{name: str(path) for name, path in given.items()}}
            parameters = [part for name, value in told.items() for part in ("-r", name, value)]
            executed = str(file.with_suffix(".executed.ipynb"))
            runs = [python, "-m", "papermill", str(file), executed, "--kernel", "python3", "--log-output", "--no-progress-bar"]
            return runs, [*parameters, *arguments]
        programs = {"python": [python, "-u"], "quarto": ["quarto", "render"], "shell": ["sh"], "r": ["Rscript"]}
        return [*programs[self.kind or ""], str(file)], arguments

    def _rows(self, output: Path, contract: Contract, where: str, work: tempfile.TemporaryDirectory[str]) -> Iterator[Any]:
        with work:
            format_ = format_of(self.output)
            assert format_ is not None
            yield from Reader(format_).read(File(self.output, output, output.stat().st_size, ""), contract, where)

    def _local(self, path: str | None) -> Path | None:
        return self.folder / path if path else None


def _saying(ended: process.Ended) -> str:
    return f"; its last line: {ended.last[:300]}" if ended.last else ", without a word"


def _spelled(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
