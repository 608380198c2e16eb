"""Merkle trees and ICS-23 proofs: a crit-bit tree per store, an RFC 6962 map of stores above it.

Start at `critbit`, which is the state; `simple` joins the stores. `ics23` checks proofs, `operations` is how they hash.
"""
