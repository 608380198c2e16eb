"""One chain as a process: HTTP API, block loop with timers and modes, SQLite storage. Start at `runner`."""
