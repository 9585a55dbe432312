"""What all tables of a recipe have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Bytes = int | str


class Section(BaseModel):
    """A table of the recipe: immutable, refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
