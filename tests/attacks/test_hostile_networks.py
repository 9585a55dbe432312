"""A network from a stranger runs no code, and what it says of itself holds; its seal is right each time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sealing import resealed
from trimcap._errors import ArtifactError, TraceError
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv2d(1, 2, (4, 1)), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
    folder = tmp_path_factory.mktemp("network")
    save(trace(nn.Sequential(*model, nn.Linear(16, 3)), torch.randn(2, 4, 8)), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def forged(saved, folder, change):
    for name, content in saved.items():
        (folder / name).write_bytes(content)
    resealed(folder / "network.json", change)
    return folder


def last(**values):
    """Edit the last operation."""

    def change(content):
        content["nodes"][-1].update(values)

    return change


def first(key, value):
    def change(content):
        content["nodes"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("sym.attrgetter", ["__class__.__base__"]),
        ("sym.call", [{"ref": "input"}, "__import__('os').system('true')"]),
        ("sym.methodcaller", ["__reduce__"]),
        ("sym.setitem", [{"ref": "input"}, 0, 1]),
        ("sym.__class__", []),
        ("aten.__class__.__init__", []),
        ("aten.from_file.default", ["/etc/passwd"]),
        ("aten.from_file.out", ["/etc/passwd"]),
        ("aten.set_.source_Tensor", [{"ref": "input"}, {"ref": "input"}]),
        ("aten.relu_.default", [{"ref": "input"}]),
        ("aten.relu.out", [{"ref": "input"}]),
        ("aten.relu.__call__", [{"ref": "input"}]),
        ("aten.relu._schema", [{"ref": "input"}]),
        ("aten.as_strided.default", [{"ref": "input"}, [3], [1], 10**9]),
        ("aten._cuda_getCurrentRawStream.default", [0]),
        ("prims.device_put.default", [{"ref": "input"}, "cuda"]),
        ("os.system", ["true"]),
        ("aten.relu", [{"ref": "input"}]),
        ("", []),
    ],
)
def test_only_listed_operations_are_looked_up(saved, tmp_path, op, args):
    with pytest.raises(ArtifactError, match=r"among those that a network may hold|has no operation|changes what it is"):
        load(forged(saved, tmp_path, last(op=op, args=args)))


@pytest.mark.parametrize(
    "dtype", ["load", "__class__", "nn", "float", "os", "complex32", "quint8", "", 6, ["float32"]], ids=repr
)
def test_a_type_is_one_of_a_list(saved, tmp_path, dtype):
    change = last(op="aten._to_copy.default", args=[{"ref": "input"}], kwargs={"dtype": dtype})
    with pytest.raises(ArtifactError, match="its argument 'dtype' is"):
        load(forged(saved, tmp_path, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (last(args=[{"ref": "input"}]), "its argument 'weight' is missing"),
        (last(args=[{"ref": "input"}, 1.0, "text"]), "its argument 'bias' is 'text'"),
        (last(args=[{"ref": "nobody"}, {"ref": "input"}]), "reads 'nobody', which does not exist before it"),
        (last(kwargs={"out": {"ref": "input"}}), "its argument 'out' is unknown"),
        (last(kwargs={"input": {"ref": "input"}}), "its argument 'input' is unknown, or given twice"),
        (last(args=[{"ref": "input"}, {"ref": "input"}]), "can't run as it is"),
        (last(args=[{"code": "x"}]), "is no argument"),
        (last(args=[{"float": "1e5"}]), "is no argument"),
        (last(args=[[[[[[1]]]]]]), "nests more than 4 deep"),
        (last(args=[1] * 50), "it has 50 arguments"),
        (last(shape=[1, 4]), r"makes \(1, 3\), the file says \(1, 4\)"),
        (last(shape=[1, "3"]), "which no network for windows of EEG has"),
        (last(shape=[10**12, 3]), "which no network for windows of EEG has"),
        (last(op="aten.zeros.default", args=[[10**6, 10**6]], kwargs={"dtype": "float32"}), r"the file says \(1, 3\)"),
        (last(op="aten.linspace.default", args=[0, 1, 2**62]), "can't run as it is|the file says"),
        (first("name", "input"), "stands twice"),
        (first("name", ""), "stands twice, or is none"),
        (first("name", "a\nb"), "or is none"),
        (lambda c: c.update(output="nobody"), "its output 'nobody' is no operation"),
        (lambda c: c.update(output="input"), "its output 'input' is no operation"),
        (lambda c: c.update(inputs={}), "it has no input"),
        (lambda c: c.update(inputs={"input": [4, -8]}), "an input has the shape"),
        (lambda c: c.update(trainable=["nobody"]), "trainable tensor 'nobody' does not exist"),
        (lambda c: c.update(order=["nobody"]), "its list 'order' is not what"),
        (lambda c: c.update(nodes=c["nodes"] * 5000), "at most 20,000"),
        (lambda c: c.update(constraints=[rule(kind="exec")]), "constraint 'exec'"),
        (lambda c: c.update(constraints=[rule(tensor="nobody")]), "on 'nobody' is unknown"),
        (lambda c: c.update(constraints=[rule(dim=9)]), "has dimension 9"),
        (lambda c: c.update(constraints=[rule(value=-1.0)]), "limit -1.0"),
        (lambda c: c.update(nodes="none"), "nodes is 'none', not a list"),
        (lambda c: c.update(inputs={"input": [True, 8]}), "is True, not a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(saved, tmp_path, change, message):
    with pytest.raises(ArtifactError, match=message):
        load(forged(saved, tmp_path, change))


def rule(**changed):
    return {"tensor": "1.weight", "kind": "max_norm", "dim": 0, "value": 1.0, **changed}


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "..", "", ".hidden", "NUL", "com1.txt", "a\\b", "c:x"]
)
def test_files_lie_beside_the_file_that_lists_them(saved, tmp_path, name):
    (tmp_path / "net").mkdir()
    (tmp_path / "secret").write_bytes(saved["tensors.safetensors"])

    def change(content):
        content["files"] = {**content["files"], name: content["files"]["tensors.safetensors"]}

    with pytest.raises(ArtifactError, match="no plain name of a file beside it"):
        load(forged(saved, tmp_path / "net", change))


def test_a_link_or_a_device_is_not_followed(saved, tmp_path):
    import os

    folder = forged(saved, tmp_path, lambda content: None)
    (tmp_path / "elsewhere").write_bytes(saved["tensors.safetensors"])
    for make in (lambda path: path.symlink_to(tmp_path / "elsewhere"), os.mkfifo, os.mkdir):
        for name in saved:
            (folder / name).unlink()
            make(folder / name)
            with pytest.raises(ArtifactError, match=r"is a link|is no plain file|can't be read"):
                load(folder)
            (folder / name).unlink() if not (folder / name).is_dir() else (folder / name).rmdir()
            (folder / name).write_bytes(saved[name])
    load(folder)


def test_an_operation_that_could_not_be_loaded_is_not_saved(tmp_path):
    node = Node("y", "aten.from_file.default", ("/etc/passwd",), {}, (1, 3))
    with pytest.raises(TraceError, match=r"add 'from_file' to the list in trimcap/graph/ops/table.py"):
        save(Network((node,), {}, frozenset(), {"x": (3,)}, "y"), tmp_path)


def test_operations_in_memory_are_those_of_the_list_too():
    node = Node("y", "sym.attrgetter", (Ref("x"),), {}, (1, 3))
    with pytest.raises(TraceError, match="not among those"):
        Network((node,), {}, frozenset(), {"x": (3,)}, "y")(torch.zeros(1, 3))
