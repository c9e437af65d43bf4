"""Raw Cypher: reading queries pass, everything else is refused whatever it is dressed up as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import QueryRefusedError
from Medical_KG_rev.graph.cypher import CLAUSES, MAX_CHARACTERS, reading_query

pytestmark = pytest.mark.unit

READING = [
    "MATCH (n) RETURN n",
    "match (d:Document)-[m:MENTIONS]->(e:Entity {type: 'disease'}) where e.name starts with 'D' return d limit 5;",
    "MATCH (e:Entity) OPTIONAL MATCH (c:Claim)-[:SUBJECT|OBJECT]->(e) WITH e, count(c) AS n WHERE n > 3 RETURN n ORDER BY n DESC",
    "UNWIND [1, 2.5, 'x'] AS x RETURN x UNION ALL RETURN 3 AS x",
    "MATCH p = (a:Entity {entity_id: $id})<-[:SUBJECT*1..3]-(b) RETURN length(p), nodes(p) SKIP 1 LIMIT 2",
    "MATCH (a:Entity)-[* ALL SHORTEST 1..4]-(b:Entity) RETURN count(*)",
    "MATCH (n:Entity) WHERE NOT EXISTS { MATCH (n)<-[:MENTIONS]-() } AND n.name IS NOT NULL RETURN n",
    "MATCH (n:Entity) RETURN CASE WHEN n.type IN ['gene'] THEN 1 ELSE 0 END AS g",
    "MATCH (n:Entity) WHERE any(a IN n.aliases WHERE lower(a) = 'x') OR NOT (n.name CONTAINS 'y') RETURN DISTINCT n.name",
    "MATCH (n:Claim) RETURN n.predicate, avg(n.score), collect(n.claim_id)[0..3], -count(*) % 7",
    "/* CREATE */ MATCH (n) // DELETE n\nRETURN n.`name`, 'DROP TABLE x; COPY', \"it's\"",
    "MATCH (a)--(b) RETURN a",
    "RETURN '\\' DELETE n //' AS text",
]

REFUSED = {
    "CREATE": "CREATE (n:Entity {entity_id: 'x'})",
    "MERGE": "MATCH (a) MERGE (b:Entity {entity_id: 'x'}) RETURN b",
    "SET": "MATCH (n) SET n.name = 'x' RETURN n",
    "DELETE": "MATCH (n) DELETE n",
    "DETACH": "MATCH (n)\n\tdeTach\tDELETE n",
    "REMOVE": "MATCH (n) REMOVE n.name",
    "DROP": "DROP TABLE Entity",
    "ALTER": "ALTER TABLE Entity ADD x INT64",
    "COPY": "COPY (MATCH (n) RETURN n) TO '/tmp/x.csv'",
    "LOAD": "LOAD FROM '/etc/passwd' RETURN *",
    "ATTACH": "ATTACH 'x.db' AS x (dbtype sqlite)",
    "INSTALL": "INSTALL httpfs",
    "CALL": "MATCH (n) CALL show_tables() RETURN *",
    "IMPORT": "IMPORT DATABASE '/tmp/x'",
    "EXPORT": "EXPORT DATABASE '/tmp/x'",
    "USE": "USE other MATCH (n) RETURN n",
    "PROFILE": "PROFILE MATCH (n) RETURN n",
    "EXPLAIN": "EXPLAIN MATCH (n) RETURN n",
    "BEGIN": "BEGIN TRANSACTION",
    "CHECKPOINT": "CHECKPOINT",
    "FROBNICATE": "MATCH (n) FROBNICATE n",
    ";": "RETURN 1; MATCH (n) DELETE n",
    "READ_CSV": "RETURN read_csv('/etc/passwd')",
    "TO_JSON": "RETURN to_json($x)",
    "NEXTVAL": "RETURN nextval('s')",
}

TRICKS = [
    "",
    " // nothing",
    ";",
    "RETURN 'a' /* ' */ CREATE (n) // '",
    "RETURN 'a''b'",
    "RETURN 'open",
    "RETURN /* open",
    "RETURN `open",
    "RETURN `a``b`",
    "RETURN 'a\\qb'",
    "MATCH (n) RETURN n ＣＲＥＡＴＥ (m)",
    "MATCH (n) RETURN n\u00a0DELETE n",
    "MATCH (n) RETURN n\u200bSET",
    "MATCH (n) /**/SET/**/ n.x = 1",
    "MATCH (n)SET n.x = 1",
    "MATCH (n) WHERE n.x = 1SET n.y = 2",
    "MATCH (n) WHERE n.x = $pSET n.y = 2 CREATE (m)",
    "MATCH (n) WHERE true SET n.y = 2",
    "MATCH (n) RETURN [1]SET n.y = 2",
    "MATCH (n) WITH n CREATE (m)",
    "MATCH (n) RETURN n.name AS create CREATE (m)",
    "MATCH (n) WITH COPY (n) TO 'x'",
    "RETURN `read_csv`('/etc/passwd')",
    "RETURN 1 #\nDELETE n",
    "RETURN {a: 1} LOAD FROM 'x'",
    "MATCH (n) RETURN n \\u0053ET n.x = 1",
    "RETURN $missing",
    "x" * (MAX_CHARACTERS + 1),
]


@pytest.mark.parametrize("query", READING)
def test_reading_queries_pass(query: str) -> None:
    assert reading_query(query, {"id": "x"}).text


@pytest.mark.parametrize("clause", REFUSED)
def test_what_is_refused_is_named_with_what_is_valid(clause: str) -> None:
    with pytest.raises(QueryRefusedError) as refusal:
        reading_query(REFUSED[clause], {"x": 1})
    assert refusal.value.clause == clause
    assert refusal.value.exit_code == 2
    assert refusal.value.valid
    if clause not in ("READ_CSV", "TO_JSON", "NEXTVAL"):
        assert refusal.value.valid == CLAUSES


@pytest.mark.parametrize("query", TRICKS)
def test_tricks_are_refused(query: str) -> None:
    with pytest.raises(QueryRefusedError):
        reading_query(query, {"p": 1})


WORDS = st.sampled_from([word for word in REFUSED if word.isalpha()]).flatmap(
    lambda word: st.sampled_from([word, word.lower(), word.title()])
)


@given(word=WORDS, quote=st.sampled_from("'\""), text=st.text(max_size=20))
def test_words_in_strings_and_comments_are_data(word: str, quote: str, text: str) -> None:
    body = f"{text} {word} (n)".replace("\\", "\\\\").replace(quote, "\\" + quote)
    query = reading_query(f"MATCH (n) /* {word} */ WHERE n.name = {quote}{body}{quote} RETURN n // {word} n", {})
    assert word not in query.text or "literal_0" not in query.parameters
    assert query.parameters.get("literal_0", f"{text} {word} (n)") == f"{text} {word} (n)"


@given(word=WORDS, space=st.sampled_from([" ", "\t", "\n", "/**/", " // x\n"]), position=st.integers(0, 3))
def test_clauses_are_refused_wherever_they_stand(word: str, space: str, position: int) -> None:
    parts = ["MATCH (n:Entity)", "WHERE n.name = 'x'", "WITH n", "RETURN n"]
    parts.insert(position + 1, f"{word}{space}(m:Entity)")
    with pytest.raises(QueryRefusedError):
        reading_query(space.join(parts), {})


@given(st.text(alphabet=st.sampled_from("MATCHRETURN nSDELT()[]{}'\"`/*\\;,:.-$1\n"), max_size=60))
def test_what_passes_has_no_quote_that_could_be_read_otherwise(query: str) -> None:
    try:
        allowed = reading_query(query, {})
    except QueryRefusedError:
        return
    inside = allowed.text.split("'")[1::2]
    assert len(allowed.text.split("'")) % 2 == 1
    assert all(set(text) <= set("MATCHRETURN nSDELT()[]{}/*;,:.-1") for text in inside)
    assert "/*" not in "".join(allowed.text.split("'")[::2])
