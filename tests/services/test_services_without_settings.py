"""`medkg services` where the settings want a server that only it can give."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from Medical_KG_rev.cli.main import medkg


@pytest.mark.component
def test_servers_are_looked_after_before_the_settings_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MK_GRAPH__KIND", "neo4j")
    monkeypatch.delenv("MK_NEO4J__URL", raising=False)
    monkeypatch.setenv("MK_DATA_DIR", str(tmp_path))
    told = CliRunner().invoke(medkg, ["services", "status", "neo4j"], standalone_mode=False)
    assert told.exception is None
    assert "stopped" in told.output
