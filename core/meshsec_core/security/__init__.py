"""Shared-security models, strangers to each other: `mesh` first; `none` is the control case and the template.

`model` says what a model is.
"""
