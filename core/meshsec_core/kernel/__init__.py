"""What everything stands on: types, errors, canonical JSON, crypto, the wire encodings, Merkle trees and stores.

Start reading at `codec` (canonical bytes), `store` (state windows and overlays) and `wire` (byte-exact CometBFT and IBC
structures).
"""
