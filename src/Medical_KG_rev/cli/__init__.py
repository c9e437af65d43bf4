"""The ``medkg`` command."""
