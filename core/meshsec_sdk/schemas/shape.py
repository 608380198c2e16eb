"""What all shapes share: how values are spelled, and what an error looks like.

Amounts, sequences, heights and times are decimal strings in JSON; bytes are base64, hashes and addresses of validators lower hex.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+$", examples=["42"])]
Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Shape(BaseModel):
    """Base of all shapes: what is not named is not there."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """Every error."""

    code: str = Field(examples=["staking/unknown-validator"])
    message: str
    facts: dict[str, str]
