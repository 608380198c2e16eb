"""Stories that can be run: a YAML file, the verbs it calls, and what it expects. Start at `document`, then `run`."""
