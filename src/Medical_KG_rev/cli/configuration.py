"""``medkg pipelines`` and ``medkg policies``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options


@click.group(cls=CommandGroup)
def pipelines() -> None:
    """The pipelines there are."""


@pipelines.command("list")
@shared_options
def list_pipelines(output: Output) -> None:
    """Name, version and sources of each."""
    with output.platform() as platform:
        found = platform.topologies()
    if output.json:
        output.data([json.loads(topology.model_dump_json(by_alias=True)) for topology in found])
        return
    for topology in found:
        click.echo(f"{topology.name:<20} {topology.version:<6} {', '.join(topology.applicable_sources)}")
        click.echo(f"{'':<20} {topology.description}")


@pipelines.command("show")
@click.argument("name")
@shared_options
def show_pipeline(output: Output, name: str) -> None:
    """A pipeline as it is configured."""
    from Medical_KG_rev.orchestration.topology.graph import condition_text

    with output.platform() as platform:
        topology = platform.parts.topologies.load(name)
    if output.json:
        output.data(json.loads(topology.model_dump_json(by_alias=True)))
        return
    click.echo(f"{topology.name} {topology.pin}\n{topology.description}\nsources: {', '.join(topology.applicable_sources)}\n")
    for stage in topology.stages:
        after = f"  after {', '.join(stage.depends_on)}" if stage.depends_on else ""
        click.echo(f"  {stage.name:<16} type {stage.stage_type:<14} policy {stage.policy:<12}{after}")
    for gate in topology.gates:
        looked = f"looked at every {gate.poll_interval_seconds:g} s for {gate.timeout_seconds:g} s at most"
        click.echo(f"  gate {gate.name}: {condition_text(gate)}; goes on with {gate.resume_stage}; {looked}")


@pipelines.command("validate")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@shared_options
def validate_pipelines(output: Output, file: Path | None) -> None:
    """Checks FILE, or every pipeline there is."""
    with output.platform() as platform:
        loader = platform.parts.topologies
        checked = [loader.load_file(file)] if file else platform.topologies()
    if output.json:
        output.data({"valid": [topology.name for topology in checked]})
        return
    for topology in checked:
        click.echo(f"{topology.name} {topology.version}: valid, {len(topology.stages)} stages")


@pipelines.command("schema")
@shared_options
def pipeline_schema(output: Output) -> None:  # noqa: ARG001 - the schema is JSON with or without --json
    """The JSON Schema of pipeline and policy files."""
    from Medical_KG_rev.orchestration.topology.schema import export_schema

    click.echo(export_schema(), nl=False)


@pipelines.command("graph")
@click.argument("name")
@click.option("--mermaid", is_flag=True, help="As Mermaid source.")
@shared_options
def pipeline_graph(output: Output, name: str, mermaid: bool) -> None:
    """A pipeline's stages as a drawing."""
    from Medical_KG_rev.orchestration.pipeline import stages_behind
    from Medical_KG_rev.orchestration.topology import as_mermaid, as_text

    with output.platform() as platform:
        topology = platform.parts.topologies.load(name)
        waiting = stages_behind(topology, platform.parts.stage_types.role)
    if output.json:
        output.data({"name": name, "edges": [[up, stage.name] for stage in topology.stages for up in stage.depends_on]})
        return
    click.echo(as_mermaid(topology, waiting) if mermaid else as_text(topology, waiting))


@click.group(cls=CommandGroup)
def policies() -> None:
    """The resilience policies there are."""


@policies.command("list")
@shared_options
def list_policies(output: Output) -> None:
    """Name and gist of each."""
    with output.platform() as platform:
        loader = platform.parts.policies
        found = {name: loader.load(name) for name in loader.names()}
    if output.json:
        output.data({name: policy.model_dump(mode="json") for name, policy in found.items()})
        return
    for name, policy in found.items():
        click.echo(
            f"{name:<14} {policy.max_attempts} attempts, backoff {policy.backoff_strategy}, {policy.timeout_seconds:g} s a call"
        )


@policies.command("show")
@click.argument("name")
@shared_options
def show_policy(output: Output, name: str) -> None:
    """A policy as it is configured."""
    with output.platform() as platform:
        policy = platform.parts.policies.load(name)
    if output.json:
        output.data(policy.model_dump(mode="json"))
        return
    for field, value in policy.model_dump(mode="json", exclude_none=True).items():
        click.echo(f"{field:>26}  {value}")
