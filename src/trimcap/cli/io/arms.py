"""Arms of recovery on the command line: what a pruned network's training follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trimcap.cli.io import inputs
from trimcap.cli.io.answer import Misuse, typed

if TYPE_CHECKING:
    from trimcap.data.windows import Windows


def check_arm(arm: str, teacher: str | None, loss: str, *, saved: bool, **options: float | None) -> None:
    """Refuse what does not go together, before anything is read.

    Raises
    ------
    Misuse : says what is missing.
    """
    from trimcap._errors import unknown
    from trimcap.train.losses.table import TEACHERS, loss_function

    arms = ("fine_tune", "scratch", *TEACHERS)
    if arm not in arms:
        raise Misuse(unknown("arm", arm, arms))
    if arm != "fine_tune" and not saved:
        raise Misuse(f"--arm {arm} is about a saved network; a model by name always starts from new weights")
    if (arm in TEACHERS) != (teacher is not None):
        raise Misuse(f"--teacher FOLDER goes with --arm {' or '.join(TEACHERS)}; give both or none")
    if arm in TEACHERS and loss != "cross_entropy":
        raise Misuse(f"--arm {arm} has a loss of its own; leave out --loss {loss}")
    for option, value in options.items():
        having = [name for name, own in TEACHERS.items() if option in own.options]
        if value is not None and arm not in having:
            raise Misuse(f"--{option} goes with --arm {' or '.join(having)}; leave it out")
    inputs.see_here()
    with typed():
        loss_function(loss)


def loss_of(arm: str, teacher: str | None, loss: str, windows: Windows, **options: float | None) -> Any:
    """The loss of an arm: as it was typed, or one that follows the network in the folder `teacher`.

    Raises
    ------
    Misuse : an impossible temperature or weight. ValueError : the teacher takes other windows or classes.
    """
    if teacher is None:
        return loss
    from trimcap.train.losses.table import TEACHERS

    network = inputs.load_network(teacher)
    if network.input_shape != windows.shape or network.n_classes != len(windows.classes):
        raise ValueError(
            f"the teacher '{teacher}' takes windows of shape {network.input_shape} and {network.n_classes} classes, "
            f"the network that follows it {windows.shape} and {len(windows.classes)}; a teacher must read the same "
            "windows, so take one from after electrodes were removed"
        )
    with typed():
        return TEACHERS[arm].loss(network, options)
