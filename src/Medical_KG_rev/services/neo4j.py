"""Neo4j, community edition, without authentication."""

from __future__ import annotations

import signal
from pathlib import Path

from Medical_KG_rev.services.jars import class_path, java_command
from Medical_KG_rev.services.programs import java
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["Neo4j"]

# The second brings the storage engine.
COORDINATES = ("org.neo4j.app:neo4j-server:5.26.0", "org.neo4j:neo4j:5.26.0")
_MEMORY = ("-Xms256m", "-Xmx768m", "-XX:TieredStopAtLevel=1")
_OPENED = tuple(
    f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
)
_ASK_SECONDS = 3.0
_CONFIGURATION = """\
server.directories.data={data}
server.directories.logs={logs}
dbms.security.auth_enabled=false
server.default_listen_address={host}
server.bolt.listen_address={bolt}
server.http.listen_address={http}
server.https.enabled=false
dbms.usage_report.enabled=false
server.memory.pagecache.size=64m
# An empty store would take 517 MB, and a stop 11 s.
db.tx_log.preallocate=false
db.logs.query.enabled=OFF
dbms.cypher.min_replan_interval=60s
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
internal.dbms.bolt.netty_server_shutdown_timeout=1s
"""


class Neo4j:
    """Bolt and HTTP. This edition refuses constraints on the existence of properties."""

    name = "neo4j"
    port_names = ("bolt", "http")
    secret_names = ()
    stop_signal = signal.SIGTERM
    grace_seconds = 20.0

    def fetch(self, cache: Path) -> None:
        java(self.name)
        class_path(COORDINATES, cache, self.name)

    def prepare(self, place: Place) -> None:
        place.data.mkdir()

    def command(self, place: Place) -> list[str]:
        configuration = place.folder / "conf"
        configuration.mkdir(exist_ok=True)
        (configuration / "neo4j.conf").write_text(
            _CONFIGURATION.format(
                data=place.data, logs=place.folder / "logs", host=HOST, bolt=place.address("bolt"), http=place.address("http")
            ),
            encoding="utf-8",
        )
        archives = class_path(COORDINATES, place.cache, self.name)
        folders = [f"--home-dir={place.folder}", f"--config-dir={configuration}"]
        main = ("org.neo4j.server.CommunityEntryPoint", *folders)
        return java_command(java(self.name), (*_MEMORY, *_OPENED), archives, place, main)

    def is_ready(self, place: Place) -> bool:
        import httpx

        asked = {"statements": [{"statement": "RETURN 1"}]}
        try:
            answer = httpx.post(f"http://{place.address('http')}/db/neo4j/tx/commit", json=asked, timeout=_ASK_SECONDS)
        except httpx.TransportError:
            return False
        return answer.is_success and not answer.json()["errors"]

    def furnish(self, place: Place) -> None:
        """Nothing: constraints are made by those who write to it."""

    def tidy(self, place: Place) -> None:
        """Nothing: all that it writes is in its folder."""

    def environment(self, place: Place) -> dict[str, str]:
        return {"MK_NEO4J__URL": f"bolt://{place.address('bolt')}"}
