"""`trimcap data check` of pictures: CIFAR-10, or a folder of them for each class."""

from __future__ import annotations

import shlex
from pathlib import Path

from trimcap.cli.io.answer import Answer
from trimcap.cli.io.show import table


def pictures(place: Path) -> Answer | None:
    """What pictures lie in a folder, by one of the sources of `trimcap.data.sources`; None if there are none.

    Of JPEG and PNG files the names are looked at; a damaged one is found when it is read.
    """
    from trimcap.data.sources import open_windows
    from trimcap.reproduce.cifar10 import holds_cifar10
    from trimcap.reproduce.image_folder import holds_pictures

    name = "cifar10" if holds_cifar10(place) else "image-folder" if holds_pictures(place) else None
    if name is None:
        return None
    step = f"trimcap data prepare {name} --path {shlex.quote(str(place))} --option per_class=10 --out {name}.npz"
    try:
        windows = open_windows(name, place)
    except (ValueError, FileNotFoundError) as error:
        return Answer({"kind": name, "folder": place, "problems": [str(error)], "next": []}, [], str(error))
    counts = windows.metadata.session.astype(str).value_counts(sort=False).to_dict()
    facts = {
        "kind": name, "folder": place, "pictures": len(windows), "shape": list(windows.shape), "parts": counts,
        "classes": list(windows.classes), "problems": [], "next": [step],
    }  # fmt: skip
    few = ", ".join(windows.classes[:8]) + (" …" if len(windows.classes) > 8 else "")
    rows = [
        ("pictures", f"{len(windows):,}: " + ", ".join(f"{part} {n:,}" for part, n in counts.items())),
        ("shape", "×".join(map(str, windows.shape))),
        ("classes", f"{len(windows.classes)}: {few}"),
    ]
    return Answer(facts, [table(("what", "value"), rows), f"next: {step}"])
