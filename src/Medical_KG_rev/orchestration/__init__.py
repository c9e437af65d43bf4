"""Who moves documents: contracts, topologies, policies, ledger, Dagster."""
