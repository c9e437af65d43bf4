"""``medkg doctor``."""

from __future__ import annotations

import click

from Medical_KG_rev.cli.context import Output, shared_options

DATABASE_SECONDS = 3.0
"""How long a database that is away is waited for: a check is to answer soon."""


@click.command()
@shared_options
def doctor(output: Output) -> int:
    """Checks every part of the active profile and says what is wrong and what to do.

    Stores and servers are written to and read. Exit code 3 if a part is down.
    """
    from Medical_KG_rev.health import check_parts

    with output.platform(database={"patience_seconds": DATABASE_SECONDS}) as platform:
        findings = check_parts(platform.parts)
    failed = [finding for finding in findings if not finding.ok]
    if output.json:
        output.data({"ok": not failed, "checks": [finding.to_dict() for finding in findings]})
        return 3 if failed else 0
    for finding in findings:
        mark = click.style("ok   ", fg="green") if finding.ok else click.style("FAIL ", fg="red")
        click.echo(f"{mark} {finding.part:<16} {finding.message}")
        if finding.remedy:
            click.echo(f"{'':<22} {finding.remedy}")
    return 3 if failed else 0
