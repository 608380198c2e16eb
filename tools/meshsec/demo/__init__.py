"""`meshsec demo`: the heist, which shows what shared security is for. `heist` plays it, `figures` counts, `telling` tells."""
