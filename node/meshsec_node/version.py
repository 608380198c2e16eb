"""The version that the installed distribution carries."""

from importlib.metadata import version

VERSION = version("meshsec")
