"""``medkg ui``: Dagster's webserver and daemon on this project's runs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec

import click

from Medical_KG_rev.cli.context import Output, shared_options
from Medical_KG_rev.errors import PartUnavailableError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The UI has no authentication: keep it on loopback.")
@click.option("--port", type=click.IntRange(1, 65_535), default=3000, show_default=True)
@click.option("--no-daemon", is_flag=True, help="Only the webserver.")
@click.option("--env", is_flag=True, help="Only prepare Dagster's home, and print `export` lines for its own programs.")
@shared_options
def ui(output: Output, host: str, port: int, no_daemon: bool, env: bool) -> int:
    """Serves the Dagster UI with this project's runs until it is interrupted."""
    if env:
        _print(output, _environment(output))
        return 0
    if find_spec("dagster_webserver") is None:
        raise PartUnavailableError.not_installed("The Dagster UI", "ui")
    environment = {**os.environ, **_environment(output)}
    module = ["-m", "Medical_KG_rev.definitions"]
    commands = [["-m", "dagster_webserver", "-h", host, "-p", str(port), *module]]
    if not no_daemon:
        commands.append(["-m", "dagster._daemon", "run", *module])
    output.say(f"The Dagster UI is on http://{host}:{port} in a few seconds; Ctrl-C ends it.")
    processes = [
        subprocess.Popen([sys.executable, *command], env=environment, start_new_session=True)  # noqa: S603 - our own commands
        for command in commands
    ]
    try:
        return processes[0].wait()
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait()


def _environment(output: Output) -> dict[str, str]:
    """What Dagster's programs must know to work on this data folder; its home is there afterwards."""
    from Medical_KG_rev.orchestration.dagster.instance import home_environment, prepare_home

    with output.platform() as platform:
        settings = platform.settings
        home = prepare_home(platform.parts.dagster_home.absolute(), platform.parts.dagster_template)
    return {
        **home_environment(home, settings.dagster_url),
        "MK_DATA_DIR": str(settings.data_dir.absolute()),
        "MK_PROFILE": settings.profile,
    }


def _print(output: Output, environment: dict[str, str]) -> None:
    if output.json:
        output.data(environment)
        return
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")
