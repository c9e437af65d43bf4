"""Settings of the knowledge graph: where it lies, and the Neo4j server that may hold it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, FilePath, SecretStr, model_validator

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


class GraphSettings(BaseModel):
    """Where the knowledge graph lies."""

    kind: Literal["ladybug", "neo4j"] | None = Field(
        default=None,
        description="Files in the data folder, or a server. Default: `ladybug` in `embedded`, `neo4j` in `services`.",
    )


class Neo4jSettings(BaseModel):
    """The server of the knowledge graph."""

    url: str = Field(
        default="", description="`bolt://host:port`, or `neo4j://host:port` of a cluster; `+s` after either for TLS."
    )
    user: str = ""
    password: SecretStr = SecretStr("")
    database: str = Field(default="neo4j", description="Name of the database on the server.")
    ca_file: FilePath | None = Field(default=None, description="Certificate authority of the server, where the system has none.")
    single_tenant: bool = Field(
        default=False, description="The database holds one tenant alone: only then may raw Cypher be run (`medkg graph query`)."
    )
    pool_size: int = Field(default=16, ge=1, le=1000, description="Connections of one process, at most.")
    connect_seconds: float = Field(default=10.0, gt=0, le=600, description="To open a connection, or to wait for a free one.")
    read_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="A reading transaction is ended by the server after this."
    )
    write_seconds: float = Field(
        default=240.0, gt=0, le=3600, description="A writing one, waiting for others included; less than its policy's timeout."
    )
    policy: str = Field(default="graph-store", description="Resilience policy of each transaction that writes.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        scheme, separator, _ = self.url.partition("://")
        if self.url and (not separator or scheme not in SCHEMES):
            raise ValueError(f"the address of Neo4j begins with {', '.join(f'{name}://' for name in SCHEMES)}")
        if self.ca_file is not None and scheme.partition("+")[2]:
            raise ValueError("with MK_NEO4J__CA_FILE the address is bolt:// or neo4j://: TLS is used because of the file")
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("a user needs a password, and a password a user")
        return self
