"""torch: data type, shape, elements and `requires_grad` count; device, strides and gradients do not.

torch is too large for `make test`: `make test-torch` installs it and runs this file.
"""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from funes import CacheWarning, UnhashableArgumentError, hash_value, load_cached_results, memorious
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

pytestmark = pytest.mark.usefixtures("cache")

TYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
]
#: Values that torch.save can write and pickle.dump cannot.
NOT_PICKLED = TYPES[6:9] + TYPES[-2:]


def saved(value: Any) -> Any:
    """Saves a value with torch, and loads it."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_memory_location_does_not_count(kind: torch.dtype) -> None:
    value = torch.tensor([[0, 1, 0], [1, 1, 0]]).to(kind)
    wide = torch.zeros(2, 6).to(kind)
    wide[:, ::2] = value
    assert_all_equal(
        [
            value,
            value.clone(),
            value.detach(),
            copy.deepcopy(value),
            saved(value),
            value.t().contiguous().t(),
            wide[:, ::2],
            torch.cat([value.cpu().view(torch.uint8)] * 2).view(kind)[:2],
        ]
    )
    assert_all_equal([value[0, 1], value[1, 0], torch.tensor(1).to(kind)])
    assert_all_equal([value[:0], torch.zeros(0, 3).to(kind)])
    if kind not in NOT_PICKLED:
        assert_all_equal([value, pickle.loads(pickle.dumps(value))])
    assert_all_differ([value, value[:1], value.t(), value.reshape(3, 2), value.flatten(), value[0]])


def test_types_and_elements_differ() -> None:
    assert_all_differ(torch.zeros(2, 2).to(kind) for kind in TYPES)
    value = torch.arange(6.0).reshape(2, 3)
    changed = [value]
    for row, column in itertools.product(range(2), range(3)):
        other = value.clone()
        other[row, column] = 9
        changed.append(other)
    assert_all_differ([*changed, value[0], value[1], value.numpy(), value.tolist(), -value])
    assert_all_differ([torch.tensor(0.0), torch.tensor(-0.0), torch.tensor([0.0]), 0.0])
    assert_all_differ(
        [*TYPES, torch.device("cpu"), torch.device("cuda:0"), torch.Size([2, 3]), (2, 3)]
    )


def test_gradients_do_not_count() -> None:
    asked = torch.ones(3, requires_grad=True)
    used = torch.ones(3, requires_grad=True)
    (used * 2).sum().backward()
    assert used.grad is not None
    assert_all_equal([asked, used, asked + 0, asked.detach().requires_grad_()])


def test_requires_grad_counts() -> None:
    assert_all_differ([torch.ones(3), torch.ones(3, requires_grad=True)])
    weight = nn.Parameter(torch.ones(2))
    assert_all_differ([weight, nn.Parameter(torch.ones(2), requires_grad=False)])
    frozen, half = made(), made()
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    half[0].weight.requires_grad_(False)
    assert_all_differ([made(), frozen, half])

    @memorious
    def trainable(model: nn.Module) -> int:
        return sum(part.numel() for part in model.parameters() if part.requires_grad)

    assert trainable(made()) > trainable(half) > trainable(frozen) == 0


@pytest.mark.parametrize("make", [lambda: torch.ones(2), lambda: nn.Parameter(torch.ones(2))])
def test_attributes_that_were_set_on_a_tensor_count(make: Callable[[], Any]) -> None:
    values = [make() for _ in range(4)]
    values[1].no_decay = True
    values[2].no_decay = False
    values[3].unit = [1]
    assert_all_differ(values)
    again = make()
    again.unit = [1]
    assert_all_equal([values[3], again, pickle.loads(pickle.dumps(again))])


def test_lazy_conjugation_is_resolved() -> None:
    value = torch.tensor([1 + 2j, 3 - 4j])
    assert_all_equal([value.conj(), value.conj().resolve_conj(), torch.tensor([1 - 2j, 3 + 4j])])
    assert_all_equal([value.conj().imag, torch.tensor([-2.0, 4.0])])


@pytest.mark.filterwarnings("ignore:Sparse (CSR|CSC|BSR|BSC) tensor support:UserWarning")
def test_sparse_tensors() -> None:
    places = torch.tensor([[0, 1, 0], [2, 0, 2]])
    messy = torch.sparse_coo_tensor(
        places, torch.tensor([1.0, 2, 3]), (2, 3), check_invariants=True
    )
    assert_all_equal([messy, messy.coalesce(), messy.to_dense().to_sparse()])
    assert not messy.is_coalesced()
    dense = messy.to_dense()
    square = torch.eye(4)
    assert_all_differ(
        [
            dense,
            messy,
            messy * 2,
            dense.to_sparse_csr(),
            dense.to_sparse_csc(),
            square.to_sparse_bsr((2, 2)),
        ]
    )
    assert_all_equal([dense.to_sparse_csr(), pickle.loads(pickle.dumps(dense.to_sparse_csr()))])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_meta_tensors_are_refused() -> None:
    with pytest.raises(UnhashableArgumentError, match="meta device"):
        hash_value(torch.zeros(2, device="meta"))
    with pytest.raises(UnhashableArgumentError, match="meta device"):
        hash_value(nn.Linear(2, 3, device="meta"))
    with pytest.raises(UnhashableArgumentError, match="nested"):
        hash_value(torch.nested.nested_tensor([torch.ones(1)], layout=torch.strided))


@pytest.mark.filterwarnings("ignore:torch.quantize_per:UserWarning")
def test_quantized_tensors_are_refused() -> None:
    values = [
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        torch.quantize_per_channel(
            torch.ones(2, 2), torch.tensor([0.1, 0.2]), torch.tensor([0, 0]), 0, torch.qint8
        ),
    ]
    for value in values:
        with pytest.raises(UnhashableArgumentError, match="quantized"):
            hash_value([value])


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_compiled_modules_are_refused() -> None:
    layer = nn.Linear(2, 2)
    for value in (torch.jit.script(layer), torch.jit.trace(layer, torch.ones(2))):
        with pytest.raises(UnhashableArgumentError):
            hash_value(value)


def made(scale: float = 1) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.LSTM(4, 2), nn.Dropout(0.5)
    )
    with torch.no_grad():
        model[0].weight.mul_(scale)
    return model


def test_modules_count_by_class_attributes_and_parameters() -> None:
    model = made()
    assert_all_equal(
        [model, made(), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), saved(model)]
    )
    assert_all_differ(
        [
            model,
            made(2),
            made().eval(),
            made().double(),
            made()[:2],
            made()[0],
            nn.Linear(3, 4),
            nn.Dropout(0.5),
            nn.Dropout(0.6),
            nn.ReLU(),
            nn.Tanh(),
            nn.Module(),
            model.state_dict(),
        ]
    )


def test_the_order_of_parts_counts() -> None:
    parts = {"a": nn.ReLU(), "b": nn.Tanh()}

    def joined(names: str) -> nn.Sequential:
        model = nn.Sequential()
        for name in names:
            model.add_module(name, parts[name])
        return model

    assert_all_differ([joined("ab"), joined("ba")])


def test_hooks_count_but_not_their_numbers() -> None:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        return output + 1

    models = [nn.ReLU() for _ in range(3)]
    for model in models[:2]:
        nn.ReLU().register_forward_hook(hook)
        model.register_forward_hook(hook)
    assert_all_equal(models[:2])
    assert_all_differ(models[1:])


def test_options_of_hooks_count() -> None:
    def hook(*arguments: Any) -> None:
        pass

    def with_hook(register: str, **options: Any) -> nn.Module:
        model = nn.ReLU()
        getattr(model, f"register_{register}")(hook, **options)
        return model

    for register in ("forward_hook", "forward_pre_hook"):
        made_twice = [with_hook(register, with_kwargs=True) for _ in range(2)]
        assert_all_equal(made_twice)
        assert_all_differ([with_hook(register), made_twice[0], nn.ReLU()])
    assert_all_differ([with_hook("forward_hook"), with_hook("forward_hook", always_call=True)])


def layers(kind: str) -> nn.Module:
    torch.manual_seed(0)
    one = nn.Linear(2, 2)
    two = copy.deepcopy(one)
    if kind == "shared module":
        two = one
    elif kind == "shared weight":
        two.weight = one.weight
    elif kind == "shared bias":
        two.bias = one.bias
    return nn.Sequential(one, nn.Sequential(nn.ReLU(), two))


SHARED = ("nothing", "shared module", "shared weight", "shared bias")


def test_shared_parameters_count() -> None:
    values = [layers(kind) for kind in SHARED]
    assert_all_differ(values)
    for kind, value in zip(SHARED, values, strict=True):
        assert_all_equal(
            [value, layers(kind), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
        )
    buffered = [nn.BatchNorm1d(2) for _ in range(2)]
    apart = nn.ModuleList(buffered)
    before = hash_value(apart)
    buffered[1].running_mean = buffered[0].running_mean
    assert hash_value(apart) != before


@pytest.mark.parametrize("kind", SHARED)
def test_a_shared_parameter_of_a_result_is_shared_at_a_hit(kind: str, tmp_path: Path) -> None:
    first, second = (memorious(cache_dir=tmp_path)(layers) for _ in range(2))
    for memo in (first, second, second):
        model = memo(kind, global_seed=0)
        assert_all_equal([model, layers(kind)])
        assert (model[0].weight is model[1][1].weight) == (kind in SHARED[1:3])


class Net(nn.Module):
    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.factor = 2
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.layer(x)


def test_user_defined_module() -> None:
    def seeded(width: int = 2) -> Net:
        torch.manual_seed(0)
        return Net(width)

    other = seeded()
    other.factor = 3
    buffered = seeded()
    buffered.seen += 1
    assert_all_equal([seeded(), seeded(), pickle.loads(pickle.dumps(seeded()))])
    assert_all_differ([seeded(), seeded(3), other, buffered, seeded().layer])
    used = seeded()
    before = hash_value(used)
    used(torch.ones(2)).sum().backward()
    assert hash_value(used) == before


def test_parameters() -> None:
    value = torch.ones(2)
    assert_all_equal([nn.Parameter(value), nn.Parameter(value.clone())])
    assert_all_differ([nn.Parameter(value), value])


def test_optimizers() -> None:
    def stepped(rate: float, steps: int) -> Any:
        model = made()[0]
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(steps):
            model(torch.ones(3)).sum().backward()
            optimizer.step()
        return optimizer

    assert_all_equal([stepped(0.1, 1), stepped(0.1, 1)])
    assert_all_differ([stepped(0.1, 0), stepped(0.1, 1), stepped(0.1, 2), stepped(0.2, 1)])


def test_generators() -> None:
    def seeded(seed: int, drawn: int = 0) -> torch.Generator:
        generator = torch.Generator().manual_seed(seed)
        torch.rand(drawn, generator=generator)
        return generator

    assert_all_equal([seeded(3), seeded(3), seeded(3).clone_state()])
    assert_all_differ([seeded(3), seeded(4), seeded(3, drawn=1)])


def test_data_sets() -> None:
    from torch.utils.data import TensorDataset

    assert_all_equal([TensorDataset(torch.ones(2)), TensorDataset(torch.ones(2))])
    assert_all_differ([TensorDataset(torch.ones(2)), TensorDataset(torch.zeros(2))])


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LSTM(4, 2))
tensors = [torch.arange(6).reshape(2, 3).t(), torch.ones(2, dtype=torch.bfloat16)]
values = [*tensors, model, model.state_dict(), torch.float32]
""",
    )


# Devices


DEVICES = [
    device
    for device, is_there in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
    if is_there
]


@pytest.mark.parametrize("device", DEVICES)
def test_device_does_not_count(device: str) -> None:
    model = made()
    there = copy.deepcopy(model).to(device)
    value = torch.arange(6.0).reshape(2, 3)
    assert_all_equal([value, value.to(device), value.t().to(device).t()])
    assert_all_equal([model, there])
    assert_all_equal([model.state_dict(), there.state_dict()])
    assert_all_equal([nn.Parameter(value), nn.Parameter(value.to(device))])


class Elsewhere:
    """Pickles like a tensor on a device that this host does not have."""

    def __init__(self, value: torch.Tensor, location: str) -> None:
        self.value, self.location = value, location

    def __reduce_ex__(self, protocol: Any) -> Any:
        rebuild, (storage, *rest) = self.value.__reduce_ex__(2)
        return rebuild, (StorageElsewhere(storage, self.location), *rest)


class StorageElsewhere:
    def __init__(self, storage: Any, location: str) -> None:
        self.storage, self.location = storage, location

    def __reduce__(self) -> Any:
        load, (data,) = self.storage.__reduce__()
        here, there = (b"X" + struct.pack("<I", len(of)) + of for of in (b"cpu", self.place))
        assert here in data
        return load, (data.replace(here, there),)

    @property
    def place(self) -> bytes:
        return self.location.encode()


ABSENT = [
    location
    for location, device in (("cuda:0", "cuda"), ("cuda:3", "cuda"), ("mps", "mps"))
    if device not in DEVICES
]


@pytest.mark.parametrize("location", ABSENT)
def test_result_of_missing_device_is_loaded(tmp_path: Path, location: str) -> None:
    value = torch.arange(6.0).reshape(2, 3)

    def compute(x: int) -> Any:
        return {"weights": [Elsewhere(value, location), x]}

    first, second = (memorious(cache_dir=tmp_path)(compute) for _ in range(2))
    first(1)
    with pytest.raises(RuntimeError):
        pickle.loads(next(tmp_path.rglob("*.dill")).read_bytes())
    for _ in range(2):
        weights, one = second(1)["weights"]
        assert weights.device.type == "cpu"
        assert torch.equal(weights, value)
        assert one == 1
    assert second.is_cached(1)
    [entry] = load_cached_results(second)
    assert torch.equal(entry["output"]["weights"][0], value)


def test_results_are_stored_and_found(tmp_path: Path) -> None:
    def train(steps: int) -> Any:
        model = made()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            model[0](torch.ones(3)).sum().backward()
            optimizer.step()
        return model, model.state_dict(), optimizer.state_dict()

    first, second = (memorious(cache_dir=tmp_path)(train) for _ in range(2))
    results = first(2, global_seed=0)
    assert second.is_cached(2, global_seed=0)
    for one, other in zip(results, second(2, global_seed=0), strict=True):
        assert_all_equal([one, other])


TENSORS: dict[str, Callable[[], torch.Tensor]] = {
    "a view": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "every other element": lambda: torch.arange(6)[::2],
    "bfloat16": lambda: torch.ones(2, dtype=torch.bfloat16),
    "float16": lambda: torch.ones(2, dtype=torch.float16),
    "conjugate": lambda: torch.tensor([1 + 2j]).conj(),
    "one that asks for a gradient": lambda: torch.ones(2, requires_grad=True),
    "a parameter": lambda: nn.Parameter(torch.ones(2)),
    "a frozen parameter": lambda: nn.Parameter(torch.ones(2), requires_grad=False),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "without elements": lambda: torch.zeros(0, 3),
    "a scalar": lambda: torch.tensor(1.5),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_hit_returns_equal_tensor(kind: str, tmp_path: Path) -> None:
    def make() -> torch.Tensor:
        return TENSORS[kind]()

    first, second = (memorious(cache_dir=tmp_path)(make) for _ in range(2))
    for result in (first(), second(), second()):
        assert_all_equal([result, make()])
        assert type(result) is type(make())
        assert result.requires_grad == make().requires_grad
    assert second.is_cached()


def test_a_result_with_a_graph_is_not_stored(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(2))

    class Holder:
        __slots__ = ("part",)

    def held(part: Any) -> Holder:
        holder = Holder()
        holder.part = part
        return holder

    wraps: list[Callable[[Any], Any]] = [
        lambda loss: loss,
        lambda loss: {"loss": [loss]},
        lambda loss: (1, {"a": loss * 2}),
        held,
    ]
    for number, wrap in enumerate(wraps):

        @memorious(cache_dir=tmp_path / str(number))
        def loss(x: float, weight: Any, wrap: Any) -> Any:
            return wrap((weight * x).sum())

        with pytest.warns(CacheWarning, match=r"not stored: .* tensor\.detach\(\)"):
            loss(2.0, weight, wrap)
        assert not loss.is_cached(2.0, weight, wrap)

    @memorious(cache_dir=tmp_path / "backward")
    def plain(x: float, weight: Any) -> Any:
        return (weight * x).sum()

    for _ in range(2):
        weight.grad = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            plain(2.0, weight).backward()
        assert weight.grad is not None
        assert weight.grad.tolist() == [2, 2]

    detached = memorious(cache_dir=tmp_path)(lambda x: (weight * x).sum().detach())
    detached(2.0)
    assert detached.is_cached(2.0)


@pytest.mark.parametrize("kind", ["a view", "a gradient", "a state dict"])
def test_state_that_pickle_drops_is_missing_from_first_call(kind: str, tmp_path: Path) -> None:
    def make() -> Any:
        value = torch.zeros(4, requires_grad=kind == "a gradient")
        if kind == "a gradient":
            value.sum().backward()
            return value, value.detach().clone()
        if kind == "a state dict":
            model = nn.BatchNorm1d(4)
            model.bias.requires_grad_(False)
            return model.bias, model.state_dict()["bias"]
        return value, value[:2]

    first, second = (memorious(cache_dir=tmp_path)(make) for _ in range(2))
    for memo in (first, first, second, second):
        one, other = memo()
        assert one.grad is None
        with torch.no_grad():
            one[0] = 7
        assert not other.any()


def test_tensor_identity_within_a_result_is_kept(tmp_path: Path) -> None:
    def make() -> Any:
        value = torch.zeros(4)
        return value, [value]

    first, second = (memorious(cache_dir=tmp_path)(make) for _ in range(2))
    for memo in (first, second, second):
        one, (other,) = memo()
        assert one is other
