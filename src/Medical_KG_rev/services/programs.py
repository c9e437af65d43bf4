"""Programs that servers are made of: where they are, and what to install where they are not."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError

__all__ = ["java", "missing", "packaged", "require_module"]

_JVMS = Path("/usr/lib/jvm")


def missing(service: str, what: str, install: str) -> ServiceStartError:
    """The error of a program that is not there; ``install`` is the command that brings it."""
    return ServiceStartError(f"{what}, so {service} cannot be started.", remedy=f"Run `{install}`.", service=service)


def require_module(module: str, extra: str, service: str) -> None:
    """Refuses to start a server whose client is not installed."""
    if find_spec(module) is None:
        raise missing(service, f"Its Python client {module} is not installed", f"pip install 'medical-kg-rev[{extra}]'")


def packaged(name: str, package: str, service: str) -> str:
    """A program that a Python package has installed, else one on the path."""
    try:
        own = [Path(str(file.locate())).resolve() for file in files(package) or () if file.name == name]
    except PackageNotFoundError:
        own = []
    found = next((str(path) for path in own if path.is_file()), None) or shutil.which(name)
    if found is None:
        raise missing(service, f"The program {name} is not installed", f"pip install {package}")
    return found


def java(service: str, *, compiler: bool = False) -> str:
    """The Java program; with ``compiler``, that of a development kit, which runs source files.

    ``JAVA_HOME`` is asked first, then the path, then the folder where Debian puts Java.
    """
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if found := shutil.which("java"):
        homes.append(Path(found).resolve().parents[1])
    homes += sorted(_JVMS.glob("java-*-openjdk-*")) if _JVMS.is_dir() else []
    wanted = "javac" if compiler else "java"
    for home in homes:
        if (home / "bin" / wanted).is_file():
            return str(home / "bin" / "java")
    kind = "default-jdk-headless" if compiler else "default-jre-headless"
    raise missing(
        service, f"Java (17 or newer{', with its compiler' if compiler else ''}) is not installed", f"apt-get install -y {kind}"
    )
