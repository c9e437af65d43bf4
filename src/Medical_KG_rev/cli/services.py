"""``medkg services``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.services import Server, ServerStatus

USUAL = ("postgres", "kafka", "s3", "opensearch", "neo4j")
MEBIBYTE = 1024 * 1024
COLOURS = {"running": "green", "stopped": "yellow", "crashed": "red"}

_names = click.argument("names", nargs=-1, metavar="[PART]...")


@click.group(cls=CommandGroup)
def services() -> None:
    """Real servers for development and tests, on loopback, without containers.

    PART is postgres, kafka, s3, opensearch, neo4j or mineru.
    """


@services.command()
@_names
@shared_options
def up(output: Output, names: tuple[str, ...]) -> None:
    """Starts servers (postgres, kafka, s3, opensearch and neo4j, or those named) and prints the settings that use them.

    What runs already stays as it is. The servers outlive this command; `medkg services down` ends them.
    """
    servers = _servers(output, names or USUAL)
    for server in servers:
        output.say(f"{server.name}: starting")
        server.start()
        output.say(f"{server.name}: ready at {_first_address(server)}")
    if output.json:
        output.data({"services": [asdict(server.status()) for server in servers], "environment": _environment(servers)})
        return
    for name, value in _environment(servers).items():
        click.echo(f"{name}={value}")


@services.command()
@_names
@click.option("--remove-data", is_flag=True, help="Remove their data, ports and passwords too.")
@shared_options
def down(output: Output, names: tuple[str, ...], remove_data: bool) -> None:
    """Ends servers (all, or those named). Their data is kept for the next start."""
    ended = []
    for server in reversed(_servers(output, names)):
        if server.stop():
            ended.append(server.name)
            output.say(f"{server.name}: stopped")
        if remove_data:
            server.remove()
    if output.json:
        output.data({"stopped": ended})


@services.command()
@_names
@shared_options
def status(output: Output, names: tuple[str, ...]) -> int:
    """Which servers run, where, with how much memory. Exit code 3 if one that is named does not answer."""
    found = [server.status() for server in _servers(output, names)]
    if output.json:
        output.data({"services": [asdict(one) for one in found]})
    else:
        for one in found:
            click.echo(_line(one))
            if one.log:
                click.echo(f"{'':<12} log {one.log}")
    return 3 if names and not all(one.ready for one in found) else 0


@services.command()
@_names
@shared_options
def env(output: Output, names: tuple[str, ...]) -> None:
    """Prints `export` lines for the servers that run: eval "$(medkg services env)"."""
    environment = _environment(server for server in _servers(output, names) if server.pid is not None)
    if output.json:
        output.data(environment)
        return
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@services.command()
@_names
@shared_options
def fetch(output: Output, names: tuple[str, ...]) -> None:
    """Downloads what servers (postgres, kafka, s3, opensearch and neo4j, or those named) are made of, without starting them."""
    from Medical_KG_rev.services import default_cache

    servers = _servers(output, names or USUAL)
    for server in servers:
        server.recipe.fetch(default_cache())
        output.say(f"{server.name}: complete")
    if output.json:
        output.data({"fetched": [server.name for server in servers]})


def _servers(output: Output, names: Iterable[str]) -> list[Server]:
    """The servers with these names, in the order of the catalogue; all where none is named."""
    from Medical_KG_rev.services import CATALOGUE, find_server
    from Medical_KG_rev.settings import data_folder

    data_dir = (output.data_dir or data_folder()).absolute()
    wanted = {name: find_server(name, data_dir) for name in names or CATALOGUE}
    return [wanted[name] for name in CATALOGUE if name in wanted]


def _environment(servers: Iterable[Server]) -> dict[str, str]:
    return {name: value for server in servers for name, value in server.environment.items()}


def _first_address(server: Server) -> str:
    return server.addresses[server.recipe.port_names[0]]


def _line(one: ServerStatus) -> str:
    status = click.style(one.status, fg=COLOURS[one.status])
    if one.status != "running":
        return f"{one.name:<12} {status}"
    answer = "" if one.ready else ", does not answer"
    addresses = " ".join(f"{name}={address}" for name, address in one.addresses.items())
    return f"{one.name:<12} {status}{answer}  pid {one.pid}  {one.rss_bytes / MEBIBYTE:.0f} MiB  {addresses}"
