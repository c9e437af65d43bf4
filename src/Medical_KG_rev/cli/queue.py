"""``medkg queue``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import CommandGroup, F, Output, shared_options
from Medical_KG_rev.os_user import os_user

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.ledger import Ledger

POLL_SECONDS = 0.5


def _switches(function: F) -> F:
    function = click.option("--leasing", is_flag=True, help="Only whether workers take batches.")(function)
    return click.option("--admission", is_flag=True, help="Only whether new work is taken.")(function)


_reason = click.option("--reason", default="", metavar="TEXT", help="Why; users are told, and the audit trail keeps it.")


@click.group(cls=CommandGroup)
def queue() -> None:
    """Whether new work is taken (admission), and whether workers take batches (leasing). It is so for all tenants."""


@queue.command()
@_switches
@_reason
@shared_options
def pause(output: Output, admission: bool, leasing: bool, reason: str) -> None:
    """Takes no new work and hands out no batch, until resumed. What workers hold already goes on."""
    with output.platform() as platform:
        _set(platform.parts.ledger, _chosen(admission, leasing), closed=True, reason=reason)
        _show(output, platform.parts.ledger)


@queue.command()
@_switches
@_reason
@shared_options
def resume(output: Output, admission: bool, leasing: bool, reason: str) -> None:
    """Takes new work and hands out batches again."""
    with output.platform() as platform:
        _set(platform.parts.ledger, _chosen(admission, leasing), closed=False, reason=reason)
        _show(output, platform.parts.ledger)


@queue.command()
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=600.0, show_default=True, metavar="SECONDS", help="Wait so long."
)
@_reason
@shared_options
def drain(output: Output, timeout: float, reason: str) -> int:
    """Pauses both and waits until no worker holds a batch. Exit code 1 if one still does after the timeout; both stay paused."""
    with output.platform() as platform:
        ledger = platform.parts.ledger
        _set(ledger, _chosen(False, False), closed=True, reason=reason)
        deadline = time.monotonic() + timeout
        while (busy := ledger.queue.at_work()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _show(output, ledger, drained=not busy)
    if busy:
        output.say(
            f"Not drained: batches still at work after {timeout:g} s: {busy:,}. Nothing new begins, and they end by themselves: "
            "run `medkg queue drain` again, or stop the workers with SIGTERM, which gives batches back after the stage at hand."
        )
        return 1
    output.say("Drained: no worker holds a batch. `medkg queue resume` lets work begin again.")
    return 0


@queue.command()
@shared_options
def status(output: Output) -> None:
    """What is paused, what waits, and what is at work."""
    with output.platform() as platform:
        _show(output, platform.parts.ledger)


def _chosen(admission: bool, leasing: bool) -> list[str]:
    """The switches that are meant: both, where none is named."""
    from Medical_KG_rev.orchestration.ledger.admission import ADMISSION, LEASING

    named = [name for name, wanted in ((ADMISSION, admission), (LEASING, leasing)) if wanted]
    return named or [ADMISSION, LEASING]


def _set(ledger: Ledger, names: list[str], *, closed: bool, reason: str) -> None:
    for name in names:
        ledger.gates.set(name, closed=closed, actor=os_user(), reason=reason)


def _show(output: Output, ledger: Ledger, **more: bool) -> None:
    state = {**_state(ledger), **more}
    if output.json:
        output.data(state)
        return
    for name in ("admission", "leasing"):
        gate = state["paused"].get(name)
        paused = f"paused{': ' + gate['reason'] if gate and gate['reason'] else ''}"
        click.echo(f"{name:<14} {click.style(paused, fg='yellow') if gate else 'open'}")
    click.echo(f"{'batches':<14} {state['at_work']:,} at work")
    click.echo(f"{'jobs':<14} {', '.join(f'{count:,} {name}' for name, count in sorted(state['jobs'].items())) or 'none'}")


def _state(ledger: Ledger) -> dict[str, Any]:
    return {
        "paused": {
            name: {"reason": gate.reason, "since": gate.changed_at} for name, gate in sorted(ledger.gates.closed().items())
        },
        "at_work": ledger.queue.at_work(),
        "jobs": ledger.count_jobs(),
    }
