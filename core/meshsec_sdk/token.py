"""The token without which nobody may tell the processes of a mesh anything; whoever only reads needs none.

It comes by the environment, to servers and to clients alike, so that it stands in no file. Without one everybody on the machine
may do everything, as on any development chain.
"""

import os

VARIABLE = "MESHSEC_TOKEN"


def bearer() -> dict[str, str]:
    """Return the headers that show the token, if there is one."""
    token = os.environ.get(VARIABLE)
    return {"authorization": f"Bearer {token}"} if token else {}
