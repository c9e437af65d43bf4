"""The composition: every part of a profile, built from settings when it is first asked for."""

from Medical_KG_rev.parts.execution import PlatformParts

__all__ = ["PlatformParts"]
