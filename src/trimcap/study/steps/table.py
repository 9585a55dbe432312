"""All kinds of steps, and in which order they may come. A new kind is a module of this folder and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field

from trimcap.study.steps import (
    calibrate,
    export,
    mask,
    prune,
    published,
    quantize,
    re_estimate,
    recover,
    rewrite,
    soft,
    verify,
)
from trimcap.study.steps.kind import Kind

_MODULES = (rewrite, prune, mask, soft, published, recover, re_estimate, calibrate, quantize, export, verify)
#: name → kind
KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _MODULES}

if TYPE_CHECKING:
    Step = Any
else:
    Step = Annotated[Union[tuple(kind.options for kind in KINDS.values())], Field(discriminator="kind")]  # noqa: UP007


def check_order(kinds: Sequence[str]) -> None:
    """Refuse orders of steps that make no sense.

    Raises
    ------
    ValueError : names the step that can't follow another, or what one lacks.
    """
    for number, later in enumerate(kinds):
        ended = set(KINDS[later].ends)
        if wrong := [kind for kind in kinds[number + 1 :] if ended & set(KINDS[kind].changes)]:
            raise ValueError(f"steps: {wrong[0]!r} cannot follow {later!r}; move it before, or remove it")
        if "artifact" in KINDS[later].needs and not any("artifact" in KINDS[k].changes for k in kinds[:number]):
            raise ValueError(f"steps: {later!r} needs an 'export' before it")


def needing(kinds: Sequence[str], what: str) -> list[str]:
    """Those of the kinds that need something."""
    return [kind for kind in kinds if what in KINDS[kind].needs]
