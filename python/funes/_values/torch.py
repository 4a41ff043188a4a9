"""Rules for torch: a tensor by its data type, shape and elements, a module by its class, attributes and parts.

Where a tensor is computed (the device), its strides, its gradient and the graph that leads to it are no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes

Rule = Callable[[Any], object]


def _tensor(value: Any) -> object:
    import torch

    if value.is_meta:
        raise TypeError("a tensor on the meta device has no elements")
    if value.is_quantized or value.is_nested:
        kind = "quantized" if value.is_quantized else "nested"
        raise TypeError(f"there is no rule for {kind} tensors")
    head = str(value.dtype), tuple(value.shape)
    further = _further(value)
    tail = (further,) if further else ()
    value = value.detach().cpu()
    if value.layout == torch.strided:
        return *head, _elements(value), *tail
    if value.layout == torch.sparse_coo:
        value = value.coalesce()
        parts = [value.indices(), value.values()]
    elif value.layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = [value.crow_indices(), value.col_indices(), value.values()]
    elif value.layout in (torch.sparse_csc, torch.sparse_bsc):
        parts = [value.ccol_indices(), value.row_indices(), value.values()]
    else:
        raise TypeError(f"there is no rule for tensors of the layout {value.layout}")
    return *head, str(value.layout), parts, *tail


def _further(value: Any) -> dict[str, object]:
    """Attributes that were set on a tensor, and `requires_grad` where it is not what the class mostly has."""
    from torch.nn import Parameter

    further = dict(vars(value))
    if value.requires_grad is not isinstance(value, Parameter):
        further["requires_grad"] = value.requires_grad
    return further


def _elements(value: Any) -> ArrayBytes:
    """The memory of a tensor as numpy lends it: numpy has not every data type, so as integers of their size."""
    import torch

    value = value.resolve_conj().resolve_neg()
    if value.is_complex():
        value = torch.view_as_real(value)
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    value = value.view(whole[value.element_size()])
    return ArrayBytes((value if value.ndim else value.reshape(1)).numpy())


def _generator(value: Any) -> object:
    return value.device.type, value.get_state()


def _module(value: Any) -> object:
    """Parts in their order, which is that of the computation in a `Sequential`; hooks without their numbers."""
    attributes = vars(value)
    if "_parameters" not in attributes:
        raise TypeError("there is no rule for modules that were compiled to TorchScript")
    parts = [list(attributes[name].items()) for name in _PARTS]
    told = value.training, parts, attributes.get("_non_persistent_buffers_set"), _hooks(attributes)
    shared = _shared(value)
    return (*told, shared) if shared else told


def _hooks(attributes: dict[str, Any]) -> dict[str, object]:
    """The hooks of each kind in their order, each with the names of the options that it was registered with."""
    hooks: dict[str, object] = {
        name: [
            (hook, [option for option in _OPTIONS if number in (attributes.get(option) or ())])
            for number, hook in attributes[name].items()
        ]
        for name in _HOOKS
        if attributes.get(name)
    }
    if hooks:
        hooks["_is_full_backward_hook"] = attributes.get("_is_full_backward_hook")
    return hooks


def _shared(value: Any) -> list[list[str]]:
    """The names of parts, parameters and buffers that are one object: they are trained as one."""
    names: dict[int, list[str]] = {}
    for told in (value.named_modules, value.named_parameters, value.named_buffers):
        for name, part in told(remove_duplicate=False):
            names.setdefault(id(part), []).append(name)
    return [group for group in names.values() if len(group) > 1]


_PARTS = ("_parameters", "_buffers", "_modules")
_HOOKS = (
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_load_state_dict_post_hooks",
    "_load_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
)
_OPTIONS = (
    "_backward_hooks_always_called",
    "_forward_hooks_always_called",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
)

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "torch.Tensor": ("torch.Tensor", _tensor),
    "torch.nn.parameter.Parameter": ("torch.nn.Parameter", _tensor),
    "torch._C.Generator": ("torch.Generator", _generator),
    "torch.nn.modules.module.Module": ("torch.nn.Module", _module),
}

#: Qualified name of a type -> attributes that its rule speaks for, so that they are none of a derived class's own.
COVERED: dict[str, frozenset[str]] = {
    "torch.nn.modules.module.Module": frozenset(
        {
            *_PARTS,
            *_HOOKS,
            *_OPTIONS,
            "_compiled_call_impl",
            "_is_full_backward_hook",
            "_non_persistent_buffers_set",
            "training",
        }
    ),
}
