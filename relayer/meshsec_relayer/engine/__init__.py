"""What a relayer decides, without doing any of it: `Engine.handle(event) -> effects`. No clock, no sockets, no files; the same
events give the same effects.

Start reading at `boundary` (what goes in and out) and `engine`; `path` opens connections and channels, `lane` carries packets
one way, `client` keeps light clients fresh, `account` signs, `chain` follows blocks, `tasks` runs all of these side by side.
"""
