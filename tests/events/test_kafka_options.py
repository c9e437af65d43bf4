"""The settings of the brokers become options of the client; what does not fit together is refused, and no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import ConfigurationError
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import settings_from

pytestmark = pytest.mark.component

BROKERS = {"MK_EVENTS__SINK": "kafka", "MK_EVENTS__BOOTSTRAP_SERVERS": "kafka:9093"}
LOGIN = {"MK_EVENTS__USERNAME": "medkg", "MK_EVENTS__PASSWORD": "sesame"}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def of(variables: dict[str, str]) -> KafkaTopic:
        for name, value in {**BROKERS, **variables}.items():
            monkeypatch.setenv(name, value)
        place = PlatformParts(settings_from({"data_dir": tmp_path})).event_place
        assert isinstance(place, KafkaTopic)
        return place

    return of


def test_without_more_the_brokers_are_spoken_to_in_plain(place: Any) -> None:
    assert place({}).options == {"security.protocol": "PLAINTEXT"}


def test_a_login_over_tls(place: Any, tmp_path: Path) -> None:
    (tmp_path / "authority.pem").touch()
    authority = str(tmp_path / "authority.pem")
    found = place({**LOGIN, "MK_EVENTS__SECURITY_PROTOCOL": "SASL_SSL", "MK_EVENTS__CA_FILE": authority})
    assert found.options == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "medkg",
        "sasl.password": "sesame",
        "ssl.ca.location": authority,
    }
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"MK_EVENTS__SECURITY_PROTOCOL": "SASL_SSL"}, "needs MK_EVENTS__USERNAME and MK_EVENTS__PASSWORD"),
        ({"MK_EVENTS__SECURITY_PROTOCOL": "SASL_PLAINTEXT", "MK_EVENTS__PASSWORD": "sesame"}, "needs MK_EVENTS__USERNAME"),
        (LOGIN, "has no login"),
        ({**LOGIN, "MK_EVENTS__SECURITY_PROTOCOL": "SSL"}, "has no login"),
        ({"MK_EVENTS__CA_FILE": __file__}, "has no TLS"),
        ({"MK_EVENTS__CA_FILE": "/nowhere/a.pem", "MK_EVENTS__SECURITY_PROTOCOL": "SSL"}, "/nowhere/a.pem"),
        ({"MK_EVENTS__SECURITY_PROTOCOL": "TLS"}, "MK_EVENTS__SECURITY_PROTOCOL"),
        ({"MK_EVENTS": '{"password": "sesame", "partitions": 0}'}, "MK_EVENTS__PARTITIONS"),
        ({"MK_EVENTS": '["sesame"]'}, "MK_EVENTS"),
    ],
)
def test_what_does_not_fit_together_is_refused_without_showing_the_password(
    place: Any, variables: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        place(variables)
    assert "sesame" not in str(refused.value)
