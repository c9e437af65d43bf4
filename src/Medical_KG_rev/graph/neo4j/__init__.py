"""The knowledge graph in Neo4j: a server, or cluster, that any number of machines write and read."""

from Medical_KG_rev.graph.neo4j.archive import Neo4jArchive
from Medical_KG_rev.graph.neo4j.connection import Neo4jConnection
from Medical_KG_rev.graph.neo4j.probe import probe
from Medical_KG_rev.graph.neo4j.store import Neo4jGraphStore

__all__ = ["Neo4jArchive", "Neo4jConnection", "Neo4jGraphStore", "probe"]
