"""Type rules for torch: tensors by type, shape and elements, modules by attributes and parts.

Not part of the value of a tensor: its device, its strides, its gradient and its autograd graph.
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
    extra = _extra_state(value)
    tail = (extra,) if extra else ()
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


def _extra_state(value: Any) -> dict[str, object]:
    """Returns attributes set on a tensor, and `requires_grad` if it is not the default."""
    from torch.nn import Parameter

    extra = dict(vars(value))
    if value.requires_grad is not isinstance(value, Parameter):
        extra["requires_grad"] = value.requires_grad
    return extra


def _elements(value: Any) -> ArrayBytes:
    """Returns the memory of a tensor, viewed as integers since numpy lacks some data types."""
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
    """Reduces a module to its parts and hooks, both in order: `Sequential` runs its parts in order.

    The numbers of the hooks do not count.
    """
    attributes = vars(value)
    if "_parameters" not in attributes:
        raise TypeError("modules that were compiled to TorchScript are not supported")
    parts = [list(attributes[name].items()) for name in _PARTS]
    state = value.training, parts, attributes.get("_non_persistent_buffers_set"), _hooks(attributes)
    shared = _shared(value)
    return (*state, shared) if shared else state


def _hooks(attributes: dict[str, Any]) -> dict[str, object]:
    """Returns the hooks of each kind in order, each with its registration options."""
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
    """Returns groups of names that refer to the same part, parameter or buffer."""
    names: dict[int, list[str]] = {}
    for named in (value.named_modules, value.named_parameters, value.named_buffers):
        for name, part in named(remove_duplicate=False):
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

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
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
