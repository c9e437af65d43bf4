"""A library that the profile needs and nobody installed is named, with the command that brings it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.index.opensearch_client import OpenSearchConnection
from Medical_KG_rev.orchestration.dagster.instance import open_instance
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.orchestration.events.sink import open_event_sink
from Medical_KG_rev.orchestration.ledger.database import open_database
from Medical_KG_rev.orchestration.lineage import open_lineage
from Medical_KG_rev.storage import S3ObjectStore

pytestmark = pytest.mark.component

NOBODY = "postgresql+psycopg2://medkg:sesame@127.0.0.1:1/medkg"


def open_bucket() -> object:
    return S3ObjectStore(endpoint_url="http://127.0.0.1:1", bucket="b", access_key="a", secret_key="s")


@pytest.mark.parametrize(
    ("library", "extra", "use"),
    [
        ("boto3", "s3", open_bucket),
        ("confluent_kafka", "kafka", lambda: open_event_sink(KafkaTopic("127.0.0.1:1"))),
        ("confluent_kafka", "kafka", lambda: open_lineage("kafka", bootstrap_servers="127.0.0.1:1", topic="t")),
        ("opensearchpy", "opensearch", lambda: OpenSearchConnection("http://127.0.0.1:1").ask(lambda client: client.info())),
        ("psycopg2", "postgres", lambda: open_database(NOBODY, lambda: 0.0, patience_seconds=0)),
        ("dagster_postgres", "postgres", lambda: open_instance(Path("home"), Path("dagster.yaml"), NOBODY)),
    ],
)
def test_it_is_named_with_the_command_that_installs_it(
    library: str, extra: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(PartUnavailableError, match="is not installed") as missing:
        use()
    assert f"pip install 'medical-kg-rev[{extra}]'" in missing.value.remedy
    assert missing.value.exit_code == 3
    assert "sesame" not in str(missing.value)
    assert list(tmp_path.iterdir()) == [], "nothing was begun"
