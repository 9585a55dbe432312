"""What can't be traced is refused with what to do instead; what can is taken as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap._errors import TraceError
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.train import predict

X = torch.randn(4, 8, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(8, 6, 3), nn.BatchNorm1d(6), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean(-1))


class Gives(Net):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(super().forward(x))


class Takes(Net):
    def forward(self, x, age, sex=None):
        return super().forward(x["eeg"] if isinstance(x, dict) else x) * age


class Autocast(Net):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = super().forward(x)
        return y.float()


class Uninitialised:
    module, initialize = Net, None


class Fitted(Uninitialised):
    def __init__(self):
        self.module_ = Net()


def broken():
    model = Net()
    model.conv.weight.data[0, 0] = torch.nan
    return model


REFUSED = {
    "dict": (
        lambda: Gives(lambda y: {"logits": y, "features": y}),
        r"a dict with the keys 'logits'.*\(x\)\['logits'\]",
    ),
    "tuple": (lambda: Gives(lambda y: (y, y)), r"returns 2 tensors in a tuple.*self\.model\(x\)\[0\]"),
    "one in a list": (lambda: Gives(lambda y: [y]), r"returns 1 tensor in a list"),
    "object": (lambda: Gives(lambda y: Fitted()), r"returns a Fitted"),
    "inputs": (Takes, r"It takes 2 inputs \(x, age\): give a tuple of arrays"),
    "autocast": (Autocast, "opens torch.autocast inside forward.*around the training step"),
    "ScriptModule": (lambda: torch.jit.script(Net()), "is a ScriptModule.*pass the Python module"),
    "NaN": (broken, "weights that are not finite: conv.weight"),
    "net of skorch": (Fitted, r"pass its `\.module_`"),
    "net before fit": (Uninitialised, r"has no network yet; call its fit"),
    "class": (lambda: Net, r"Net is a class; pass a model made from it: Net\(…\)"),
    "network": (lambda: trace(Net(), X), "is traced already"),
    "something": (lambda: 3, "takes an nn.Module of torch, got int"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_what_to_do(name):
    make, said = REFUSED[name]
    with pytest.raises(TraceError, match=f"(?s){said}"):
        trace(make(), X)


def test_inputs_by_name_are_refused():
    with pytest.raises(TraceError, match=r"(?s)the example is a dict.*self\.model\(\{'eeg': x\}\)"):
        trace(Takes(), {"eeg": X})


NAMES = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (NAMES[:7], "7 electrode names for an input of 8 electrodes"),
        ((*NAMES[:7], "o1"), "'O1', 'o1' mean one electrode"),
        (("T3", "EEG T7-REF", *NAMES[2:]), "'T3', 'EEG T7-REF' mean one electrode"),
        (("E1", "e1 ", *NAMES[2:]), "'E1', 'e1 ' mean one electrode"),
        (("", *NAMES[1:]), "an electrode is called ''"),
        ((3, *NAMES[1:]), "an electrode is called 3"),
        ("Fp1,Fp2", "channels is one text"),
    ],
)
def test_electrode_names_are_checked(channels, said):
    with pytest.raises(TraceError, match=said):
        trace(Net(), X, channels=channels)
    module = trace(Net(), X).module()
    with pytest.raises(TraceError, match=said):
        trace(module, X, channels=channels)
    assert trace(module, X, channels=list(NAMES)).channels == NAMES


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_models_keep_their_precision(dtype):
    torch.manual_seed(0)
    model = Net().to(dtype).eval()
    network = trace(model, X)
    assert {t.dtype for t in network.tensors.values()} == {dtype}
    assert torch.equal(network(X.to(dtype)), model(X.to(dtype)).detach())
    small = shrink(network, make_plan(network, {"conv": (0, 2, 5)}))
    assert {t.dtype for t in small.tensors.values()} == {dtype}
    assert l1(network).values["conv"].shape == (6,)
    if dtype == torch.float64:  # windows are float32
        assert np.isfinite(predict(network.module(), X.numpy())).all()


def test_wrapped_models_are_taken():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.LazyLinear(2)

        def forward(self, x):
            return self.head(x.flatten(1))

    assert trace(Lazy(), X).n_parameters == 2 * 8 * 16 + 2
    model = Net().eval()
    for wrapped in (nn.DataParallel(model), torch.compile(model)):
        network = trace(wrapped, X)
        assert list(network.tensors)[:2] == ["conv.weight", "conv.bias"]
        torch.testing.assert_close(network(X), model(X).detach())


def test_blocks_without_gradients_are_followed():
    class Stopped(Net):
        def forward(self, x):
            y = self.conv(x)
            with torch.no_grad():
                low = y.mean(-1, keepdim=True)
                with torch.enable_grad(), torch.autocast("cpu", enabled=False):
                    scale = self.norm(y).abs().mean()
            return self.head((y - low).mean(-1) + y[..., 0] * scale)

    network = trace(Stopped(), X)
    assert network.notes == ()  # gradients are the model's
    assert "detach" in {node.kind for node in network.nodes}
