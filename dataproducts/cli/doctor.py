"""`dataproducts doctor`: whether all that this code location needs is there, and what to do where it is not."""

from __future__ import annotations

import click

from dataproducts.errors import ConfigurationError

_SHOWN = {"well": ("ok", "green"), "idle": ("--", "white"), "wrong": ("!!", "red")}


@click.command()
def doctor() -> None:
    """Whether all that is needed is there, and what to do.

    Looks at versions, the products, disk, lake, Dagster, the catalog, brokers, BigQuery, secrets, programs and alerts. Exit status 1 where
    something is wrong; what is not in use is no fault.
    """
    from dataproducts.cli.examining import examine

    wrong = []
    for finding in examine():
        mark, color = _SHOWN[finding.state]
        click.echo(f"{click.style(mark, fg=color, bold=finding.state == 'wrong')}  {finding.piece:<12} {finding.text}")
        if finding.state == "wrong":
            wrong.append(finding.piece)
    if wrong:
        raise ConfigurationError(f"{', '.join(wrong)}: not in order; the lines that begin with !! say what to do")
