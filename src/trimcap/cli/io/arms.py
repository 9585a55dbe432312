"""Arms of recovery on the command line: what a pruned network's training follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trimcap.cli.io import inputs
from trimcap.cli.io.answer import Misuse, typed

if TYPE_CHECKING:
    from trimcap.data.windows import Windows

ARMS = ("fine_tune", "scratch", "distil", "attention")
_FOLLOW = ("distil", "attention")


def check_arm(
    arm: str,
    teacher: str | None,
    loss: str,
    *,
    saved: bool,
    temperature: float | None = None,
    weight: float | None = None,
) -> None:
    """Refuse what does not go together, before anything is read.

    Raises
    ------
    Misuse : says what is missing.
    """
    from trimcap._errors import unknown
    from trimcap.train.losses.losses import loss_function

    if arm not in ARMS:
        raise Misuse(unknown("arm", arm, ARMS))
    if arm != "fine_tune" and not saved:
        raise Misuse(f"--arm {arm} is about a saved network; a model by name always starts from new weights")
    if (arm in _FOLLOW) != (teacher is not None):
        raise Misuse(f"--teacher FOLDER goes with --arm {' or '.join(_FOLLOW)}; give both or none")
    if arm in _FOLLOW and loss != "cross_entropy":
        raise Misuse(f"--arm {arm} has a loss of its own; leave out --loss {loss}")
    if temperature is not None and arm != "distil":
        raise Misuse("--temperature goes with --arm distil; leave it out")
    if weight is not None and arm not in _FOLLOW:
        raise Misuse(f"--weight goes with --arm {' or '.join(_FOLLOW)}; leave it out")
    inputs.see_here()
    with typed():
        loss_function(loss)


def loss_of(
    arm: str, teacher: str | None, loss: str, windows: Windows, temperature: float | None, weight: float | None
) -> Any:
    """The loss of an arm: as it was typed, or one that follows the network in the folder `teacher`.

    Raises
    ------
    Misuse : an impossible temperature or weight. ValueError : the teacher takes other windows or classes.
    """
    if teacher is None:
        return loss
    from trimcap.train.losses.attention_transfer import attention_transfer
    from trimcap.train.losses.losses import distillation

    network = inputs.load_network(teacher)
    if network.input_shape != windows.shape or network.n_classes != len(windows.classes):
        raise ValueError(
            f"the teacher '{teacher}' takes windows of shape {network.input_shape} and {network.n_classes} classes, "
            f"the network that follows it {windows.shape} and {len(windows.classes)}; a teacher must read the same "
            "windows, so take one from after electrodes were removed"
        )
    with typed():
        if arm == "attention":
            return attention_transfer(network, weight=1e3 if weight is None else weight)
        soft = 4.0 if temperature is None else temperature
        return distillation(network.module(), temperature=soft, weight=0.5 if weight is None else weight)
