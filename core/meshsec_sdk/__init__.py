"""What programs that talk to a chain share: names and development keys, the mesh file, API schemas and a typed client.

Start at `client`.
"""
