"""Merkle trees and ICS-23 proofs: a crit-bit tree per store, an RFC 6962 map of stores above it."""
