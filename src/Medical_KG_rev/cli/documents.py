"""``medkg show``, ``medkg delete`` and ``medkg verify-deletion``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from Medical_KG_rev.cli.context import Output, shared_options


@click.command()
@click.argument("doc")
@click.option("--chunk", metavar="ID", help="Only this chunk's text.")
@click.option("--span", metavar="START:END", help="Only these characters.")
@shared_options
def show(output: Output, doc: str, chunk: str | None, span: str | None) -> None:
    """The document's whole canonical text as stored, or the exact text of a chunk or span."""
    import msgspec

    with output.platform() as platform:
        document = platform.show(doc)
        start, end = 0, len(document.text)
        chunks = platform.chunks(doc) if chunk or output.json else []
    if chunk is not None:
        found = next((item for item in chunks if item.chunk_id == chunk), None)
        if found is None:
            raise click.UsageError(f"{doc} has no chunk {chunk!r}; it has {len(chunks)}: {doc}:chunk:0 and on.")
        start, end = found.start, found.end
    if span is not None:
        start, end = _range(span, len(document.text))
    if not output.json:
        click.echo(document.text[start:end], nl=span is None and chunk is None)
        return
    if chunk or span:
        output.data({"doc_id": document.doc_id, "start": start, "end": end, "text": document.text[start:end]})
        return
    output.data({**msgspec.to_builtins(document), "chunks": [msgspec.to_builtins(item) for item in chunks]})


@click.command()
@click.argument("doc")
@shared_options
def delete(output: Output, doc: str) -> None:
    """Removes a document from every store and prints what each of them gave up."""
    with output.platform() as platform:
        receipt = platform.delete(doc)
    if output.json:
        output.data(receipt)
        return
    for store, count in receipt["removed"].items():
        click.echo(f"{store.replace('_', ' '):>14}  {count}")


@click.command("verify-deletion")
@click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@shared_options
def verify_deletion(output: Output, receipt: Path) -> int:
    """Looks in every store for what the receipt of `medkg delete --json` says is gone. Exit code 1 where something remains."""
    import msgspec

    try:
        content = msgspec.json.decode(receipt.read_bytes(), type=dict)
    except msgspec.DecodeError as error:
        raise click.UsageError(f"{receipt} is no receipt: {error}.") from None
    with output.platform() as platform:
        report = platform.verify_deletion(content)
    if output.json:
        output.data(report)
    else:
        for store, count in report["remaining"].items():
            click.echo(f"{store.replace('_', ' '):>14}  {count}")
    return 1 if any(report["remaining"].values()) else 0


def _range(span: str, length: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+):(\d+)", span)
    if match is None or not int(match[1]) < int(match[2]) <= length:
        raise click.UsageError(f"--span {span!r} must be START:END with 0 <= START < END <= {length}.")
    return int(match[1]), int(match[2])
