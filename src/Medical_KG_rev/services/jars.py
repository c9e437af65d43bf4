"""Java programs from ordinary Maven coordinates: downloaded once with all that they need, then found without a network."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Sequence
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services.recipe import Place

__all__ = ["class_path", "java_command"]

_TIMEOUT_SECONDS = 60


def class_path(coordinates: Sequence[str], cache: Path, service: str) -> str:
    """The class path of ``group:artifact:version`` coordinates; their archives lie in ``jars`` below the cache.

    Raises:
        ServiceStartError: they could not be downloaded.
    """
    from jgo.env import EnvironmentBuilder
    from jgo.maven import MavenContext

    cache = cache / "jars"
    logging.getLogger("jgo").setLevel(logging.ERROR)  # it takes a bill of materials for an archive, and warns
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            context = MavenContext(repo_cache=cache / "repository", timeout=_TIMEOUT_SECONDS)
            # Every jar, those of the module path too: the servers are started from a class path.
            jars = EnvironmentBuilder(context, cache_dir=cache).from_endpoint("+".join(coordinates)).all_jars
        except (OSError, RuntimeError, ValueError) as error:
            raise ServiceStartError(
                f"The Java archives of {service} could not be downloaded: {error}.",
                remedy=f"With a network, run `medkg services fetch {service}`; afterwards none is needed.",
                service=service,
            ) from error
    return ":".join(str(jar) for jar in jars)


def java_command(program: str, options: Sequence[str], archives: str, place: Place, main: Sequence[str]) -> list[str]:
    """A Java program with little memory overhead, which leaves its temporary files in the server's own folder."""
    own = ("-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Djava.io.tmpdir={place.scratch}")
    return [program, *options, *own, "-cp", archives, *main]
