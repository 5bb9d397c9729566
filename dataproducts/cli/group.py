"""The one rule for errors: exit 0, or one line that says what is wrong and what to do, and exit 1 (2 for wrong usage)."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb, format_exc
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from dataproducts import logs
from dataproducts.errors import DataProductsError
from dataproducts.masking import masked

DEBUG = "DATAPRODUCTS_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Commands(click.Group):
    """A group whose commands end by the rule. Commands raise DataProductsError; they print no errors themselves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order they were added, which is the order a newcomer meets them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away and Ctrl-C leave as they are, before click has a say."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None
        except KeyboardInterrupt:
            raise click.Abort from None

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit. With `standalone_mode=False` errors come out as they are, for embedding."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # what libraries say to programmers
        sys.exit(self._status(args, prog_name, complete_var, extra))

    def _status(self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None, extra: dict[str, Any]) -> int:
        try:
            logs.begin()
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
            return result if type(result) is int else 0
        except NoArgsIsHelpError as error:
            click.echo(error.message)
            return 0
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else prog_name or "dataproducts"
            return _say(f"{error.format_message().rstrip('.')}; see `{command} --help`", 2)
        except click.ClickException as error:
            return _say(error.format_message(), error.exit_code)
        except click.Abort:
            if sys.stderr.isatty():
                click.echo(err=True)  # after the terminal's ^C
            return _say("interrupted; what was already stored stays", INTERRUPTED)
        except (_ReaderGone, BrokenPipeError):
            # `dataproducts read ... | head`: the reader has what it wanted, and the interpreter must not flush to it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except DataProductsError as error:
            return _say(one_line(error), 1)
        except Exception as error:
            return _say(f"{describe(error)}{traceback_hint()}", 1)


class _ReaderGone(Exception):
    pass


def one_line(error: BaseException) -> str:
    """The text of an error on one line; of several faults the first, and how many more there are."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and isinstance(error, DataProductsError):
        return f"{lines[0]} (and {len(lines) - 1} more like it; {DEBUG}=1 shows all)"
    return " ".join(lines) or type(error).__name__


def describe(error: BaseException) -> str:
    """An error nobody foresaw, with the line of the product's own code that it came from where there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({shown(error.filename)}, line {error.lineno})"
    own = [frame for frame in extract_tb(error.__traceback__) if is_own(frame.filename)]
    where = f" ({shown(own[-1].filename)}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {one_line(error)}{where}"


def traceback_hint() -> str:
    """How to see more, where more is not shown already."""
    return "" if os.environ.get(DEBUG) else f"; set {DEBUG}=1 to see the whole traceback"


def is_own(path: str) -> bool:
    """Whether a source file belongs to the products at hand rather than to the kit or a library."""
    return any(Path.cwd() / folder in Path(path).parents for folder in ("assets", "resources"))


def shown(path: str) -> str:
    """A path as a person in the working directory would write it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _say(sentence: str, status: int) -> int:
    if os.environ.get(DEBUG) and sys.exc_info()[0] is not None and status == 1:
        click.echo(masked(format_exc()), err=True, nl=False)
    if (logger := logging.getLogger("dataproducts")).handlers:  # the log is JSON, and so is this
        logger.error("%s", sentence)
    else:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {masked(sentence)}", err=True)
    return status
