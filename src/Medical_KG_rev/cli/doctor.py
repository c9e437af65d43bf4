"""``medkg doctor``."""

from __future__ import annotations

import click

from Medical_KG_rev.cli.context import Output, shared_options


@click.command()
@shared_options
def doctor(output: Output) -> int:
    """Checks every part of the active profile and says what is wrong and what to do."""
    from Medical_KG_rev.health import check_parts

    with output.platform() as platform:
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
