"""The author's file: where its references to datasets are, and which line and column an offset in it is. Nothing is parsed here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from dataproducts.errors import DeclarationError

_PIECES = re.compile(
    r"""(?P<comment>--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<string>[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<quoted>`[^`\n]*`)
    |(?P<reference>\{\{[^\n{}]*\}\})
    |(?P<macro>\{[%\#{])""",
    re.DOTALL | re.VERBOSE,
)
_NAME = re.compile(r"\{\{[ \t]*((?:[a-z][a-z0-9_]*/)?[a-z][a-z0-9_]*)[ \t]*\}\}")


@dataclass(frozen=True)
class Reference:
    """`{{ name }}` at an offset of the file; `name` is "dataset" or "product/dataset"."""

    name: str
    offset: int


@dataclass(frozen=True)
class SqlText:
    """A .sql file as its author wrote it."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> SqlText:
        """Read it. DeclarationError with the nearest name where there is no such file."""
        try:
            return cls(path, path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            near = get_close_matches(path.name, [p.name for p in path.parent.glob("*.sql")], 1)
            raise DeclarationError(
                f"{path} is not there; " + (f"did you mean {near[0]!r}?" if near else "write one SELECT into it")
            ) from None
        except UnicodeDecodeError as error:
            raise DeclarationError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
        except OSError as error:
            raise DeclarationError(f"{path} cannot be read ({error.strerror}); correct that") from None

    def at(self, offset: int) -> str:
        """Where an offset is: "file:line:column", both from 1."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        return f"{self.path}:{line}:{column}"

    def fault(self, offset: int | None, sentence: str) -> DeclarationError:
        """The error of a place in the file; of the file where the place is not known."""
        return DeclarationError(f"{self.path if offset is None else self.at(offset)}: {sentence}")

    @property
    def digest(self) -> str:
        """Twelve hex digits of what the file says."""
        return sha256(self.text.strip().encode()).hexdigest()[:12]

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every reference, in order; those in comments and strings are none. DeclarationError for macros and garbled names."""
        found = []
        for piece in _PIECES.finditer(self.text):
            if piece.lastgroup == "macro":
                raise self.fault(piece.start(), f"{piece.group()!r} begins a macro, and there are none; write plain SQL")
            if piece.lastgroup == "reference":
                name = _NAME.fullmatch(piece.group())
                if name is None:
                    raise self.fault(
                        piece.start(),
                        f"{piece.group()} is no reference; write {{{{ dataset }}}} or {{{{ product/dataset }}}}",
                    )
                found.append(Reference(name[1], piece.start()))
        return tuple(found)

    def plain(self, names: Mapping[str, str]) -> str:
        """The text with every reference as a quoted name, all else at the offset it had."""

        def instead(piece: re.Match[str]) -> str:
            if piece.lastgroup != "reference":
                return piece.group()
            name = _NAME.fullmatch(piece.group())
            assert name is not None
            return f"`{names[name[1]]}`".ljust(len(piece.group()))

        return _PIECES.sub(instead, self.text)

    @property
    def remark(self) -> str:
        """The comment the file begins with, without its dashes."""
        lines = []
        for line in self.text.lstrip().splitlines():
            if not line.startswith("--"):
                break
            lines.append(line.lstrip("-").strip())
        return "\n".join(lines).strip()


def near(name: str, there: list[str], otherwise: Callable[[list[str]], str] | None = None) -> str:
    """ "did you mean ...?", or what there is."""
    if found := get_close_matches(name.lower(), there, 1, 0.6):
        return f"did you mean {found[0]!r}?"
    if otherwise is not None:
        return otherwise(there)
    shown = ", ".join(there[:12])
    return f"there are {shown}" + (" and more" if len(there) > 12 else "") if there else "there are none"
