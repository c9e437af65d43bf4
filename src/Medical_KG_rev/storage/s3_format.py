"""The format version of a bucket, and whose the bucket is.

As in a data folder, an object ``~FORMAT`` says how the others are to be read. No key has a tilde, so that it is no object of
the store. The first releases wrote none: a bucket that is empty, or holds only what they put there, is stamped at its first use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from Medical_KG_rev import __version__
from Medical_KG_rev.errors import ConfigurationError
from Medical_KG_rev.storage.formats import CURRENT, OBJECTS_STAMP, require_version, version_in

__all__ = ["OBJECTS_STAMP", "check_bucket"]

VERSION = CURRENT["objects"]
OURS = frozenset({"tenants/", "health/"})
"""What the first releases wrote at the top level."""


def check_bucket(
    place: str, read: Callable[[], bytes | None], top_level: Callable[[], Iterable[str]], write: Callable[[bytes], None]
) -> None:
    """Refuses a bucket that is not ours or that a newer release has written, and stamps what is not stamped yet.

    Args:
        place: bucket and prefix, as an address.
        read: gives the stamp, None where there is none.
        top_level: names some of what is there, without what is below: objects, and folders with a slash at their end.
        write: stores the stamp. Processes that stamp at once write the same.

    Raises:
        FormatVersionError: the version is newer than this release, or the stamp is damaged.
        ConfigurationError: the place is not stamped, and things lie there that are not this system's.
    """
    stamp = read()
    if stamp is not None:
        require_version(version_in(stamp, f"{place}{OBJECTS_STAMP}"), VERSION, place)
        return
    foreign = sorted(name for name in top_level() if name not in OURS and not name.startswith(OBJECTS_STAMP))
    if foreign:
        raise ConfigurationError(
            f"{place} holds things of somebody else, such as {foreign[0]!r}.",
            remedy="Give the objects a bucket (MK_OBJECT_STORE__BUCKET) or a prefix (MK_OBJECT_STORE__PREFIX) of their own.",
            place=place,
        )
    write(json.dumps({"version": VERSION, "created_by": __version__}).encode() + b"\n")
