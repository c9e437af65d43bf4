"""One index through many kills: at random steps, again in recovery, with readers in a loop; embedded, and with real servers.

``MK_INDEX_KILLS`` says how many; ``MK_CHAOS_SEED`` chooses other ones. The invariants of the dual write go by their numbers.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import threading

import httpx
import pytest
from index_places import open_stores

from Medical_KG_rev.errors import MedicalKGError, StoreUnavailableError
from Medical_KG_rev.index import HaystackIndexWriter
from Medical_KG_rev.index.maintenance import IndexMaintenance
from Medical_KG_rev.index.snapshot import TenantReader

pytestmark = pytest.mark.chaos

KILLS = int(os.environ.get("MK_INDEX_KILLS", "12"))
SEED = int(os.environ.get("MK_CHAOS_SEED", "7"))
GROUPS = ("a", "b", "c")
DOCUMENTS = 4

LEXICON_AND_ON = (
    "lexicon.uncommitted", "lexicon.committed", "commit.before", "commit.after",
    "cleanup.lexicon", "cleanup.segments", "cleanup.after",
)  # fmt: skip
EMBEDDED = (
    "intent.before", "intent.after", "lexicon.added",
    *(f"{kind}.{reached}" for kind in ("faiss", "impacts", "facets") for reached in ("unsynced", "unnamed", "named")),
    *LEXICON_AND_ON,
)  # fmt: skip
SERVED = (
    "intent.before", "intent.after", "lexicon.added",
    *(f"{kind}.{reached}" for kind in ("faiss", "impacts", "facets") for reached in ("unstored", "stored")),
    *LEXICON_AND_ON,
)  # fmt: skip
IN_RECOVERY = ("withdraw.stores", "cleanup.lexicon", "cleanup.segments", "cleanup.after")
FOLDING = ("fold.intent.after", "fold.impacts.named", "fold.impacts.stored", "fold.commit.before", "fold.cleanup.segments")
VISIBLE_FROM = "commit.after"
DURABLE_FROM = "lexicon.committed"
"""From here on a batch asks nothing more of the search server before it is visible."""


def batch(group, number):
    """Documents that belong together, and one that stays as it is, so that segments come together and are folded."""
    texts = {f"local:{group}{n}": [f"common {group} round{number} part{n}"] for n in range(DOCUMENTS)}
    texts[f"local:{group}-{number}"] = ["common and here to stay"]
    return {"documents": texts, "version": f"v{number}"}


class Reader(threading.Thread):
    """Asks each leg again and again, and keeps the first answer that is no whole generation."""

    def __init__(self, place, corpus):
        super().__init__(daemon=True)
        self._stores, self._corpus = open_stores(place), corpus
        self._ended = threading.Event()
        self.server_is_away = threading.Event()
        self.fault = None
        self.answers = 0

    def run(self):
        reader = TenantReader(self._stores, "default")
        newest = dict.fromkeys(GROUPS, -1)
        while not self._ended.is_set() and self.fault is None:
            away_before = self.server_is_away.is_set()
            try:
                found = self.ask(reader)
            except MedicalKGError as error:
                if isinstance(error, StoreUnavailableError) and (away_before or self.server_is_away.is_set()):
                    self._ended.wait(0.05)
                    continue
                self.fault = f"a search failed: {error}"
                return
            for leg, texts in found.items():
                for group in GROUPS:
                    rounds = [int(text.split("round")[1].split()[0]) for text in texts if f" {group} " in text]
                    if len(rounds) not in (0, DOCUMENTS) or len(set(rounds)) > 1:
                        self.fault = f"I1, I7: {leg} sees {sorted(rounds)} of group {group}"
                    elif rounds and rounds[0] < newest[group]:
                        self.fault = f"I2: {leg} went back from round {newest[group]} to {rounds[0]}"
                    newest[group] = max([newest[group], *rounds])
            if any("foreign" in text for texts in found.values() for text in texts):
                self.fault = "I9: a document of another tenant was found"
            self.answers += 1

    def ask(self, reader):
        with reader.snapshot() as snapshot:
            if snapshot is None:
                return {}
            legs = {
                "bm25": snapshot.search_lexical(["common"], 500),
                "sparse": snapshot.search_sparse(self._corpus.sparse_of(["common"], "test-sparse").row(0), 500),
                "dense": snapshot.search_vectors(self._corpus.vector_of("common"), 500),
            }
            return {
                leg: [chunk.text for chunk in snapshot.chunks([vid for vid, _ in hits]).values()] for leg, hits in legs.items()
            }

    def end(self):
        self._ended.set()
        self.join(timeout=60)
        self._stores.close()


class Campaign:
    """Kills one writer after the other, and holds the invariants after each."""

    verified_every = 5

    def __init__(self, place, steps, corpus, process):
        self.place, self.steps, self.corpus, self.process = place, steps, corpus, process
        self.stores = open_stores(place)
        self.writer = HaystackIndexWriter(self.stores)
        self.random = random.Random(f"{SEED}:{steps[2]}")
        self.kills = 0

    def order(self, **orders):
        self.process.order(self.place, **orders)
        status, results = self.process.answer()
        self.kills += status == -9
        assert status in (0, -9)
        return status, results

    def run(self, kills):
        self.corpus.write(self.writer, {"local:x": ["common foreign"]}, tenant_id="foreign")
        for group in GROUPS:
            self.corpus.write(self.writer, batch(group, 0)["documents"], "v0")
        readers = [Reader(self.place, self.corpus) for _ in range(2)]
        for reader in readers:
            reader.start()
        self.readers = readers
        number = 0
        while self.kills < kills:
            number += 1
            self.round(number, self.steps[number % len(self.steps)] if number <= len(self.steps) else None)
            faults = [reader.fault for reader in readers if reader.fault]
            assert not faults, faults
        for reader in readers:
            reader.end()
            assert reader.fault is None
            assert reader.answers > 3
        maintenance = IndexMaintenance(self.stores, None)
        for tenant in ("default", "foreign"):
            assert maintenance.verify(tenant).findings == (), "I4, I5"
        self.stores.close()

    def round(self, number, step):
        step = step or self.random.choice((*self.steps, *FOLDING))
        group = self.random.choice(GROUPS)
        wanted = batch(group, number)
        status, _ = self.order(batches=[wanted], kill_at=step)
        doc_id = f"local:{group}0"
        versions = self.writer.live_versions("default", [doc_id])
        is_after = step in FOLDING or self.steps.index(step) >= self.steps.index(VISIBLE_FROM)
        assert (versions[doc_id] == f"v{number}") == (is_after or status == 0), f"I1, I2 at {step}"
        self.recover(number, step, wanted)

    def recover(self, number, step, wanted):
        doc_id = next(iter(wanted["documents"]))
        if self.random.random() < 0.5:
            self.order(batches=[wanted], kill_at=self.random.choice(IN_RECOVERY))
        self.corpus.write(self.writer, wanted["documents"], wanted["version"])
        assert self.writer.live_versions("default", [doc_id]) == {doc_id: wanted["version"]}
        assert self.corpus.write(self.writer, wanted["documents"], wanted["version"]).generation == 0, "I3"
        if number % self.verified_every == 0:
            findings = IndexMaintenance(self.stores, None).verify("default").findings
            assert findings == (), f"I4, I5 after a kill at {step}"


class ServerCampaign(Campaign):
    """Kills the search server in the middle of a batch, in every second round the writer with it, and starts it again."""

    verified_every = 1

    def __init__(self, place, steps, corpus, process, server):
        super().__init__(place, steps, corpus, process)
        self.server = server

    def round(self, number, step):
        """``step`` is that of the first rounds; later ones are drawn."""
        step, kills = self.random.choice(self.steps) if number > 1 else "facets.stored", self.kills
        group = self.random.choice(GROUPS)
        wanted = batch(group, number)
        doc_id = f"local:{group}0"
        for reader in self.readers:
            reader.server_is_away.set()
        both = {"kill_at": step} if number % 2 == 0 else {}
        _, results = self.order(batches=[wanted], kill_server_at=step, server=str(self.server.folder), **both)
        assert self.server.pid is None
        is_seen = self.writer.live_versions("default", [doc_id])[doc_id] == wanted["version"]
        if both:
            assert is_seen == (step in FOLDING or self.steps.index(step) >= self.steps.index(VISIBLE_FROM)), f"I1, I2 at {step}"
        else:
            assert is_seen == (self.steps.index(step) >= self.steps.index(DURABLE_FROM)), f"I1, I10 at {step}"
            assert is_seen or results[0]["error"] == "store_unavailable"
        self.server.start()
        for reader in self.readers:
            reader.server_is_away.clear()
        self.recover(number, step, wanted)
        self.kills = kills + 1  # those of the server


def test_an_embedded_index_through_many_kills(root, corpus, writing_processes):
    sys.stdout.write(f"seed {SEED}: {KILLS} kills\n")
    campaign = Campaign(str(root), EMBEDDED, corpus, writing_processes[0])
    campaign.run(max(KILLS, len(EMBEDDED)))


@pytest.fixture
def services(tmp_path, postgres_database, opensearch_server):
    server, prefix = opensearch_server.environment["MK_OPENSEARCH__URL"], f"test-{secrets.token_hex(6)}"
    yield {
        "database": postgres_database,
        "opensearch": server,
        "prefix": prefix,
        "bucket": str(tmp_path / "bucket"),
        "cache": str(tmp_path / "cache"),
    }
    httpx.delete(f"{server}/{prefix}-*")


@pytest.mark.service
def test_an_index_on_servers_through_many_kills(services, corpus, writing_processes):
    sys.stdout.write(f"seed {SEED}: {KILLS} kills\n")
    campaign = Campaign(services, SERVED, corpus, writing_processes[0])
    campaign.run(max(KILLS // 4, len(SERVED)))


@pytest.mark.service
def test_an_index_whose_search_server_is_killed_again_and_again(services, own_server, corpus, writing_processes):
    kills = max(KILLS // 16, 1)
    sys.stdout.write(f"seed {SEED}: {kills} kills of OpenSearch\n")
    server = own_server("opensearch")
    place = services | {"opensearch": server.environment["MK_OPENSEARCH__URL"]}
    campaign = ServerCampaign(place, SERVED, corpus, writing_processes[0], server)
    campaign.run(kills)


@pytest.mark.service
def test_i10_a_search_server_that_goes_away_in_the_middle(services, corpus):
    """The batch stays prepared and unseen, and the same call succeeds once the server is back."""
    stores = open_stores(services)
    writer = HaystackIndexWriter(stores)
    corpus.write(writer, {"local:1": ["common old"]})

    def lose(step):
        if step == "facets.stored":
            stores.connection.close()
            stores.connection.url = "http://127.0.0.1:9"

    with pytest.raises(MedicalKGError, match="does not answer"):
        corpus.write(HaystackIndexWriter(stores, step=lose), {"local:1": ["common new"]}, "v2")
    with stores.reading("default") as catalogue:
        assert len(catalogue.prepared()) == 1
    assert writer.live_versions("default", ["local:1"]) == {"local:1": "v1"}
    stores.connection.close()
    stores.connection.url = services["opensearch"]
    assert corpus.write(writer, {"local:1": ["common new"]}, "v2").chunks == 1
    assert [chunk.text for chunk in writer.chunks("default", "local:1")] == ["common new"]
    assert IndexMaintenance(stores, None).verify("default").findings == ()
    stores.close()
