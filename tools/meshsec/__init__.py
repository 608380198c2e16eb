"""The face of meshsec: worlds, clients, scenarios and the command line."""
