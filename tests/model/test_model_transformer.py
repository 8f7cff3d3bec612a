"""The transformer's own laws: masks, cache, sizes, first weights, cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tumbler.errors import UserError
from tumbler.model import Transformer, init_weights, matmul_flops_per_token, sizes
from tumbler.model.attention import attention, causal_mask, grouped_attention, reference_attention

CONFIG = sizes(2, vocab_size=50, context=32, width=64, heads=4, kv_heads=2)


def random_model() -> Transformer:
    model = Transformer(CONFIG)
    init_weights(model, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.empty(parameter.shape).normal_(0, 0.2, generator=generator))
    return model


@settings(max_examples=20, deadline=None)
@given(kv_heads=st.sampled_from([1, 2, 4]), T=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_fast_attention_equals_the_plain_one(kv_heads: int, T: int, seed: int) -> None:  # noqa: N803
    random = torch.Generator().manual_seed(seed)
    q = torch.randn(3, 4, T, 8, generator=random)
    k, v = (torch.randn(3, kv_heads, T, 8, generator=random) for _ in range(2))
    documents = torch.randint(0, 2, (3, T), generator=random).cumsum(1)
    mask = causal_mask(documents, T, q.device)
    torch.testing.assert_close(grouped_attention(q, k, v, mask), reference_attention(q, k, v, mask))


def test_attention_by_blocks_of_queries_equals_the_plain_one() -> None:
    random = torch.Generator().manual_seed(0)
    q = torch.randn(2, 4, 300, 8, generator=random)  # two whole blocks and a part of one
    k, v = (torch.randn(2, 2, 300, 8, generator=random) for _ in range(2))
    mask = causal_mask((torch.rand(2, 300, generator=random) < 0.02).long().cumsum(1), 300, q.device)
    torch.testing.assert_close(attention(q, k, v, mask, causal=True), reference_attention(q, k, v, mask))


def test_a_packed_row_gives_each_document_the_logits_that_it_has_alone() -> None:
    model = random_model()
    first, second = torch.arange(1, 8)[None], torch.arange(20, 31)[None]
    ids = torch.cat((first, second), dim=1)
    positions = torch.cat((torch.arange(7), torch.arange(11)))[None]
    documents = torch.tensor([[0] * 7 + [1] * 11])
    with torch.no_grad():
        packed = model(ids, positions, documents)
        torch.testing.assert_close(packed[:, :7], model(first))
        torch.testing.assert_close(packed[:, 7:], model(second))


def test_no_place_sees_what_comes_after_it() -> None:
    model = random_model()
    ids = torch.arange(12)[None]
    changed = ids.clone()
    changed[0, 8] = 40
    with torch.no_grad():
        before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert (before[:, 8:] - after[:, 8:]).abs().amax(-1).min() > 1e-3


class ListCache:
    """The plainest cache: keys and values in lists, one row, one new token at a time."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = 1

    @property
    def mask(self) -> Tensor:
        return torch.ones(1, 1, 1, self.length, dtype=torch.bool)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if layer in self.kept:
            k, v = (torch.cat(pair, dim=2) for pair in zip(self.kept[layer], (k, v), strict=True))
        self.kept[layer] = (k, v)
        return k, v


def test_a_cache_gives_the_logits_of_the_whole_row() -> None:
    model, ids, cache = random_model(), torch.arange(9)[None], ListCache()
    with torch.no_grad():
        whole = model(ids)
        for place in range(9):
            cache.length = place + 1
            one = model(ids[:, place : place + 1], torch.tensor([[place]]), cache=cache)
            torch.testing.assert_close(one[:, 0], whole[:, place])


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    models = [Transformer(CONFIG) for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        init_weights(model, seed)
    a, b, c = (model.model.embed_tokens.weight for model in models)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_init_sets_every_parameter_and_begins_with_blocks_that_add_nothing() -> None:
    model = Transformer(replace(CONFIG, tie_word_embeddings=False))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    init_weights(model, seed=0)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    ids = torch.arange(10)[None]
    with torch.no_grad():
        torch.testing.assert_close(model.hidden(ids), model.model.norm(model.model.embed_tokens(ids)))


def test_one_dial_gives_all_sizes_and_each_may_be_overridden() -> None:
    config = sizes(4, vocab_size=4096, context=256)
    assert (config.hidden_size, config.num_hidden_layers, config.head_dim) == (256, 4, 64)
    assert (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size) == (4, 2, 768)
    assert sizes(1, 100, 16).head_dim == 32
    assert sizes(4, 100, 16, width=96, heads=3, kv_heads=1, mlp=128).head_dim == 32
    with pytest.raises(UserError, match="width 100 is not a multiple of its 3 heads"):
        sizes(2, 100, 16, width=100, heads=3)
    with pytest.raises(UserError, match="cannot share"):
        sizes(4, 100, 16, kv_heads=3)


def test_the_count_of_flops_is_that_of_the_products_which_the_model_does() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.zeros(2, 32, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        random_model()(ids).sum().backward()
    assert counter.get_total_flops() == matmul_flops_per_token(CONFIG, 32) * ids.numel()
