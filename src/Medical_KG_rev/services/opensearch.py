"""OpenSearch: one node with the modules that this system uses. No k-NN and no neural-search plug-in."""

from __future__ import annotations

import signal
from pathlib import Path

from Medical_KG_rev.services.jars import class_path, java_command
from Medical_KG_rev.services.programs import java
from Medical_KG_rev.services.recipe import Place

__all__ = ["OpenSearch"]

_VERSION = "2.19.6"  # 3.x needs Java 21
_MODULES = ("transport-netty4-client", "analysis-common", "mapper-extras-client", "reindex-client", "lang-painless")
COORDINATES = (
    f"org.opensearch:opensearch:{_VERSION}",
    *(f"org.opensearch.plugin:{module}:{_VERSION}" for module in _MODULES),
    "org.apache.logging.log4j:log4j-core:2.25.4",
)
_MAIN = Path(__file__).with_name("OpenSearchNode.java")
_MEMORY = ("-Xms512m", "-Xmx1g")
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""
_ASK_SECONDS = 3.0


class OpenSearch:
    """Ready when its shards are: the open port alone answers searches with 503."""

    name = "opensearch"
    port_names = ("http", "transport")
    secret_names = ()
    stop_signal = signal.SIGTERM
    grace_seconds = 20.0

    def fetch(self, cache: Path) -> None:
        java(self.name, compiler=True)
        class_path(COORDINATES, cache, self.name)

    def prepare(self, place: Place) -> None:
        (place.data / "config").mkdir(parents=True)

    def command(self, place: Place) -> list[str]:
        logging = place.folder / "logging" / "log4j2.properties"
        logging.parent.mkdir(exist_ok=True)
        logging.write_text(_LOGGING, encoding="utf-8")
        archives = f"{logging.parent}:{class_path(COORDINATES, place.cache, self.name)}"
        ports = [str(place.ports[name]) for name in self.port_names]
        main = (str(_MAIN), str(place.data), *ports)
        return java_command(java(self.name, compiler=True), _MEMORY, archives, place, main)

    def is_ready(self, place: Place) -> bool:
        import httpx

        asked = {"wait_for_status": "yellow", "wait_for_no_initializing_shards": "true", "timeout": "1s"}
        try:
            answer = httpx.get(f"http://{place.address('http')}/_cluster/health", params=asked, timeout=_ASK_SECONDS)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and not answer.json()["timed_out"]

    def furnish(self, place: Place) -> None:
        """Nothing: indexes are made by those who write to them."""

    def tidy(self, place: Place) -> None:
        """Nothing: all that it writes is in its folder."""

    def environment(self, place: Place) -> dict[str, str]:
        return {"MK_OPENSEARCH__URL": f"http://{place.address('http')}"}
