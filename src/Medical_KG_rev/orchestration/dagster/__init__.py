"""Topologies as Dagster jobs: op factories, jobs, resources, definitions, the in-process launch."""
