"""``medkg show``, ``medkg delete`` and ``medkg verify-deletion``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.models import Chunk, Document
    from Medical_KG_rev.platform import Platform


@click.command()
@click.argument("doc")
@click.option("--chunk", metavar="ID", help="Only this chunk's text; with --page, its boxes.")
@click.option("--span", metavar="START:END", help="Only these characters.")
@click.option("--page", type=click.IntRange(1), help="Only what begins on this page of its PDF.")
@click.option(
    "--png",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Draw that page, with the boxes of the chunk or of all blocks; to standard output with -.",
)
@click.option("--dpi", type=click.IntRange(18, 600), default=144, show_default=True, help="Of the picture.")
@shared_options
def show(output: Output, doc: str, chunk: str | None, span: str | None, page: int | None, png: str | None, dpi: int) -> None:
    """The document's whole canonical text as stored, or the exact text of a chunk, a span or a page, or a picture of a page."""
    if page is None and png is not None:
        raise click.UsageError("--png needs --page.")
    if page is not None and span is not None:
        raise click.UsageError("--page and --span exclude each other.")
    with output.platform() as platform:
        document = platform.show(doc)
        chunks = platform.chunks(doc) if chunk or output.json else []
        found = _chunk(doc, chunks, chunk) if chunk is not None else None
        if page is not None:
            _show_page(output, platform, document, found, page, png, dpi)
            return
    _show_text(output, document, chunks, found, span)


def _show_text(output: Output, document: Document, chunks: Sequence[Chunk], chunk: Chunk | None, span: str | None) -> None:
    import msgspec

    start, end = (chunk.start, chunk.end) if chunk is not None else (0, len(document.text))
    if span is not None:
        start, end = _range(span, len(document.text))
    whole = chunk is None and span is None
    if not output.json:
        click.echo(document.text[start:end], nl=whole)
    elif whole:
        output.data({**msgspec.to_builtins(document), "chunks": [msgspec.to_builtins(item) for item in chunks]})
    else:
        output.data({"doc_id": document.doc_id, "start": start, "end": end, "text": document.text[start:end]})


def _show_page(
    output: Output, platform: Platform, document: Document, chunk: Chunk | None, page: int, png: str | None, dpi: int
) -> None:
    import msgspec

    blocks = platform.page_blocks(document, page, chunk)
    if png is not None:
        picture = platform.page_picture(document, page, blocks, dpi=dpi)
        if png == "-":
            sys.stdout.buffer.write(picture)
            return
        path = Path(png or f"{re.sub(r'[^A-Za-z0-9.-]+', '-', document.doc_id)}-page-{page}.png")
        path.write_bytes(picture)
        output.say(f"{path}: page {page} with {len(blocks)} boxes.")
        return
    if not output.json:
        click.echo("\n\n".join(document.text[block.start : block.end] for block in blocks))
        return
    shown = [{**msgspec.to_builtins(block), "text": document.text[block.start : block.end]} for block in blocks]
    output.data({"doc_id": document.doc_id, "page": page, "blocks": shown})


def _chunk(doc: str, chunks: Sequence[Chunk], chunk_id: str) -> Chunk:
    found = next((item for item in chunks if item.chunk_id == chunk_id), None)
    if found is None:
        raise click.UsageError(f"{doc} has no chunk {chunk_id!r}; it has {len(chunks)}: {doc}:chunk:0 and on.")
    return found


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
