"""An article's licence, from wherever the file puts it."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from Medical_KG_rev.parsing.jats.inline import XLINK_HREF, inline_text

_ALI_REFERENCE = "{http://www.niso.org/schemas/ali/1.0/}license_ref"
MAX_WORDS = 500


def license_of(meta: etree._Element) -> str | None:
    """The address of the licence where the file gives one, else its words, at most :data:`MAX_WORDS` characters."""
    licenses = [*meta.iterfind("permissions/license"), *meta.iterfind("license")]
    addresses = [address.strip() for license_ in licenses for address in _addresses(license_) if address and address.strip()]
    known = next((address for address in addresses if "creativecommons.org" in address), None)
    if known or addresses:
        return known or addresses[0]
    statements = [*meta.iterfind("permissions/copyright-statement"), *meta.iterfind("copyright-statement")]
    words = next(filter(None, map(inline_text, [*licenses, *statements])), None)
    return words[:MAX_WORDS] if words else None


def _addresses(license_: etree._Element) -> Iterator[str | None]:
    yield license_.get(XLINK_HREF)
    for element in license_.iter(_ALI_REFERENCE, "ext-link", "uri"):
        yield element.get(XLINK_HREF) or (inline_text(element) if element.tag == _ALI_REFERENCE else None)
