"""Writes small PDFs, right ones and hostile ones, so that engines can be tried without files of others.

Format: ISO 32000-1. Only what the samples need: text in Helvetica, one content stream a page, the oldest encryption.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from hashlib import md5
from typing import NamedTuple

A4 = (595.0, 842.0)
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_FILE_ID = b"0123456789abcdef"
_PERMISSIONS = -4


class Line(NamedTuple):
    """A line of text: its left end and base line in points from the page's lower left corner, and its size.

    ``upward``: it runs up the page, so that it is upright where the page is shown with a quarter turn.
    """

    x: float
    y: float
    text: str
    size: float = 10.0
    font: str = "F1"
    upward: bool = False


class Page(NamedTuple):
    """``rotate`` is in degrees, clockwise. ``content`` is put before the lines, as it is."""

    lines: Sequence[Line] = ()
    size: tuple[float, float] = A4
    rotate: int = 0
    content: bytes = b""


class PdfFile:
    """Objects, numbered from 1 in the order in which they come; :meth:`render` puts them together."""

    def __init__(self) -> None:
        self._objects: list[bytes] = []

    def add(self, body: str | bytes) -> int:
        """The number of the object added."""
        self._objects.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(self._objects)

    def put(self, number: int, body: str) -> None:
        """Gives an object another body: one that names objects which came after it."""
        self._objects[number - 1] = body.encode("latin-1")

    @property
    def next_number(self) -> int:
        """That of the object that is added next."""
        return len(self._objects) + 1

    def stream(self, data: bytes, entries: str = "") -> int:
        """The number of a stream."""
        return self.add(f"<< /Length {len(data)} {entries} >>\nstream\n".encode("latin-1") + data + b"\nendstream")

    def render(self, root: int, trailer: str = "") -> bytes:
        """The file, with its cross-reference table."""
        parts, offsets, size = [b"%PDF-1.7\n"], [], 9
        for number, body in enumerate(self._objects, start=1):
            offsets.append(size)
            parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
            size += len(parts[-1])
        table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
        count = len(offsets) + 1
        end = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n<< /Size {count} /Root {root} 0 R {trailer} >>\n"
        return b"".join(parts) + f"{end}startxref\n{size}\n%%EOF\n".encode("latin-1")


_FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
FONTS = f"<< /F1 {_FONT.format('Helvetica')} /F2 {_FONT.format('Helvetica-Bold')} >>"


def text_pdf(
    pages: Iterable[Page],
    *,
    catalog: str = "",
    resources: str = "",
    password: str = "",
    fonts: str = FONTS,
    file: PdfFile | None = None,
) -> bytes:
    """A file of these pages, after the objects of ``file``. With a password, nobody opens it without.

    ``catalog`` and ``resources`` are entries for the catalogue and for the resources of every page.
    """
    file = file or PdfFile()
    fonts_object = file.add(fonts)
    tree = file.add("")
    secret = _Secret(password) if password else None
    kids = [_add_page(file, page, tree, f"/Font {fonts_object} 0 R {resources}", secret) for page in pages]
    file.put(tree, f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>")
    root = file.add(f"<< /Type /Catalog /Pages {tree} 0 R {catalog} >>")
    return file.render(root, secret.trailer if secret else "")


def _add_page(file: PdfFile, page: Page, tree: int, resources: str, secret: _Secret | None) -> int:
    lines = [
        f"/{line.font} {line.size} Tf {'0 1 -1 0' if line.upward else '1 0 0 1'} {line.x} {line.y} Tm ({_escaped(line.text)}) Tj"
        for line in page.lines
    ]
    data = page.content + f"BT\n{chr(10).join(lines)}\nET".encode("cp1252")
    content = file.stream(secret.hidden(data, file.next_number) if secret else data)
    width, height = page.size
    return file.add(
        f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 {width} {height}] /Rotate {page.rotate} "
        f"/Resources << {resources} >> /Contents {content} 0 R >>"
    )


def zip_bomb(size: int) -> bytes:
    """A page whose content is ``size`` bytes of blanks, packed twice; the file has about a millionth of them."""
    packer = zlib.compressobj(9)
    block = b" " * (1 << 20)
    inner = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()
    file = PdfFile()
    content = file.stream(zlib.compress(inner, 9), "/Filter [/FlateDecode /FlateDecode]")
    page = content + 1
    file.add(f"<< /Type /Page /Parent {page + 1} 0 R /MediaBox [0 0 100 100] /Contents {content} 0 R >>")
    file.add(f"<< /Type /Pages /Count 1 /Kids [{page} 0 R] >>")
    return file.render(file.add(f"<< /Type /Catalog /Pages {page + 1} 0 R >>"))


class _Secret:
    """The standard security handler, revision 2: 40 bits of RC4 (ISO 32000-1, 7.6.3). It protects nothing."""

    def __init__(self, password: str) -> None:
        padded = (password.encode("latin-1") + _PADDING)[:32]
        owner = _rc4(_md5(padded)[:5], padded)
        self._key = _md5(padded + owner + _PERMISSIONS.to_bytes(4, "little", signed=True) + _FILE_ID)[:5]
        self.trailer = (
            f"/Encrypt << /Filter /Standard /V 1 /R 2 /P {_PERMISSIONS} /O <{owner.hex()}> "
            f"/U <{_rc4(self._key, _PADDING).hex()}> >> /ID [<{_FILE_ID.hex()}> <{_FILE_ID.hex()}>]"
        )

    def hidden(self, data: bytes, number: int) -> bytes:
        """The stream of the object of this number."""
        return _rc4(_md5(self._key + number.to_bytes(3, "little") + b"\0\0")[:10], data)


def _md5(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
