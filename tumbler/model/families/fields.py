"""An untrusted `config.json`, field by field: each is checked as it is read; UserError names file, field and rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tumbler.errors import UserError
from tumbler.model.config import Activation, RopeScaling

ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "silu": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}
"""transformers' names of them -> ours."""
ROPE: Final = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
LLAMA3: Final = {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}


@dataclass(frozen=True)
class Fields:
    raw: Mapping[str, Any]
    where: str

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number from 0; `default` where the field is absent or null."""
        value = default if self.raw.get(name) is None else self.raw[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise UserError(f"{self.where}: {name} = {value!r}: must be a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Above 0, and such that fp32 holds it."""
        value = default if self.raw.get(name) is None else self.raw[name]
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e38:
            raise UserError(f"{self.where}: {name} = {value!r}: must be a number above 0")
        return float(value)

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw.get(name, default)
        if not isinstance(value, bool):
            raise UserError(f"{self.where}: {name} = {value!r}: must be true or false")
        return value

    def activation(self, name: str, default: str) -> Activation:
        value = self.raw.get(name, default)
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise UserError(f"{self.where}: {name} = {value!r}: tumbler knows {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[value]

    def token(self, name: str) -> int | None:
        return None if self.raw.get(name) is None else self.integer(name)

    def tokens(self, name: str) -> int | tuple[int, ...] | None:
        """One id, or several as Llama 3's chat models have."""
        value = self.raw.get(name)
        if not isinstance(value, list):
            return self.token(name)
        return tuple(Fields({name: one}, self.where).integer(name) for one in value)

    def only(self, fixed: Mapping[str, Any]) -> None:
        """Fields that would change the computation, and the one value of each that our transformer computes."""
        for name, value in fixed.items():
            if self.raw.get(name) not in (None, value):
                raise UserError(f"{self.where}: {name} = {self.raw[name]!r}: tumbler's model knows only {value!r}")

    def table(self, name: str) -> Fields:
        """A field that is an object itself; without fields where it is absent or null."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, dict):
            raise UserError(f"{self.where}: {name} = {value!r}: must be an object")
        return Fields(cast(dict[str, Any], value or {}), f"{self.where}: {name}")

    def rope(self) -> tuple[float, RopeScaling | None]:
        """Theta and scaling: `rope_theta` and `rope_scaling` of transformers 4, which wins as it does in
        transformers 5, or the latter's `rope_parameters`. Theta is 10,000 where neither gives one, as there."""
        rope = self.table("rope_scaling" if self.raw.get("rope_scaling") else "rope_parameters")
        theta = rope.number("rope_theta", self.number("rope_theta", 1e4))
        kind = rope.raw.get("rope_type", rope.raw.get("type", "default"))
        if kind not in ("default", "llama3"):
            raise UserError(f"{rope.where}: rope_type = {kind!r}: tumbler knows 'default' and 'llama3'")
        known = ROPE | LLAMA3 if kind == "llama3" else ROPE
        if unknown := sorted(set(rope.raw) - known):
            raise UserError(f"{rope.where}: {unknown[0]!r} is no setting of rope_type {kind!r}; take it out")
        rope.only({"partial_rotary_factor": 1.0})
        return theta, rope._llama3(self) if kind == "llama3" else None

    def _llama3(self, config: Fields) -> RopeScaling:
        low, high = self.number("low_freq_factor"), self.number("high_freq_factor")
        if low >= high:
            raise UserError(f"{self.where}: low_freq_factor = {low}: must be below high_freq_factor = {high}")
        context = self.integer("original_max_position_embeddings", config.integer("max_position_embeddings"))
        return RopeScaling(self.number("factor"), low, high, context)
