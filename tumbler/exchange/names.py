"""Where the model's parameters lie in a GGUF file: names, and the order of rows.

The names are llama.cpp's (`gguf.get_tensor_name_map`). Its `llama` turns pairs of neighbouring rows by RoPE where
Hugging Face turns row i with row i + head_dim / 2, so the rows of q and k are put in pairs there; `qwen3` is left as
it is. Its `gpt2` keeps q, k and v as one tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from tumbler.model import ModelConfig

MODULES: Final = {
    "model.embed_tokens": "token_embd",
    "model.embed_positions": "position_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Our modules -> llama.cpp's; those of a block without its prefix."""
LAYER: Final = "model.layers."
FUSED: Final = {"attn_q": "attn_qkv", "attn_k": "attn_qkv", "attn_v": "attn_qkv"}
"""In gpt2."""


@dataclass(frozen=True)
class Place:
    """One tensor of the file."""

    name: str
    ours: tuple[str, ...]
    """The parameters whose rows it holds, one below another."""
    paired_heads: int | None = None
    """Of how many heads each, whose rows are put in pairs."""

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        """The file's tensor from ours."""
        tensor = torch.cat(list(pieces)) if len(pieces) > 1 else pieces[0]
        return tensor if self.paired_heads is None else _regroup(tensor, self.paired_heads, 2)

    def split(self, tensor: Tensor, rows: Sequence[int]) -> dict[str, Tensor]:
        """Ours, of so many rows each, from the file's."""
        whole = (
            tensor
            if self.paired_heads is None
            else _regroup(tensor, self.paired_heads, tensor.shape[0] // self.paired_heads // 2)
        )
        return dict(zip(self.ours, torch.split(whole, list(rows)), strict=True))


def places(config: ModelConfig, parameters: Iterable[str]) -> list[Place]:
    """All tensors of the file, in the order of the model's parameters."""
    found: dict[str, list[str]] = {}
    for ours in parameters:
        found.setdefault(_name(config, ours), []).append(ours)
    return [Place(name, tuple(ours), _paired_heads(config, name)) for name, ours in found.items()]


def _name(config: ModelConfig, ours: str) -> str:
    module, kind = ours.rsplit(".", 1)
    block = ""
    if module.startswith(LAYER):
        layer, module = module.removeprefix(LAYER).split(".", 1)
        block = f"blk.{layer}."
    name = MODULES[module]
    return f"{block}{FUSED.get(name, name) if config.family == 'gpt2' else name}.{kind}"


def _paired_heads(config: ModelConfig, name: str) -> int | None:
    heads: Mapping[str, int] = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    return heads.get(name.split(".")[-2]) if config.family == "llama" else None


def _regroup(tensor: Tensor, heads: int, outer: int) -> Tensor:
    """Each head's rows, seen as (outer, inner), in the order (inner, outer)."""
    rest = tensor.shape[1:]
    grouped = tensor.reshape(heads, outer, tensor.shape[0] // heads // outer, *rest)
    return grouped.transpose(1, 2).reshape(-1, *rest)
