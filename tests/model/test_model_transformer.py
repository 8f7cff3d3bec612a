"""The transformer's own laws, for every family: masks, cache, sizes, first weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_families import CAUSAL, FAMILIES, random_weights, small_config
from torch import Tensor

from tumbler.engine import Request, Sampler, Sampling
from tumbler.errors import UserError
from tumbler.model import FamilyName, Transformer, init_weights, sizes
from tumbler.model.attention import BLOCK, attention, attention_mask, reference_attention


@settings(max_examples=20, deadline=None)
@given(
    kv_heads=st.sampled_from([1, 2, 4]),
    T=st.integers(1, 20) | st.sampled_from([BLOCK, 2 * BLOCK + 5]),
    causal=st.booleans(),
    window=st.none() | st.integers(0, 9),
)
def test_the_fast_attention_and_its_gradients_equal_the_plain_ones(
    kv_heads: int,
    T: int,  # noqa: N803
    causal: bool,
    window: int | None,
) -> None:
    random = torch.Generator().manual_seed(T)
    q, upstream = (torch.randn(3, 4, T, 8, generator=random, requires_grad=True) for _ in range(2))
    k, v = (torch.randn(3, kv_heads, T, 8, generator=random, requires_grad=True) for _ in range(2))
    documents = torch.randint(0, 2, (3, T), generator=random).cumsum(1)
    mask = attention_mask(documents, T, q.device, causal, window)
    assert_fast_is_plain(q, k, v, upstream, mask, causal)


@pytest.mark.parametrize("causal", [True, False])
def test_attention_across_blocks_of_queries_equals_the_plain_one(causal: bool) -> None:
    random = torch.Generator().manual_seed(0)
    # Two whole blocks and a part of one, in documents of about 50 places.
    q, upstream = (torch.randn(2, 4, 300, 8, generator=random, requires_grad=True) for _ in range(2))
    k, v = (torch.randn(2, 2, 300, 8, generator=random, requires_grad=True) for _ in range(2))
    documents = (torch.rand(2, 300, generator=random) < 0.02).long().cumsum(1)
    assert_fast_is_plain(q, k, v, upstream, attention_mask(documents, 300, q.device, causal), causal)


def assert_fast_is_plain(q: Tensor, k: Tensor, v: Tensor, upstream: Tensor, mask: Tensor, causal: bool) -> None:
    """Outputs, and gradients where `upstream` is that of the output."""
    fast, plain = attention(q, k, v, mask, causal), reference_attention(q, k, v, mask)
    torch.testing.assert_close(fast, plain)
    gradients = [torch.autograd.grad(out, (q, k, v), upstream.detach()) for out in (fast, plain)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_a_mask_lets_a_place_see_its_document_within_the_window() -> None:
    documents = torch.tensor([[0, 0, 0, 1, 1, 1]])
    device = documents.device
    assert attention_mask(documents, 6, device)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1, 1],
    ]
    assert attention_mask(documents, 6, device, causal=False, window=1)[0, 0].int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 1, 1],
    ]


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_row_gives_each_document_the_logits_that_it_has_alone(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    first, second = torch.arange(1, 8)[None], torch.arange(20, 31)[None]
    ids = torch.cat((first, second), dim=1)
    positions = torch.cat((torch.arange(7), torch.arange(11)))[None]
    documents = torch.tensor([[0] * 7 + [1] * 11])
    packed = model(ids, positions, documents)
    torch.testing.assert_close(packed[:, :7], model(first))
    torch.testing.assert_close(packed[:, 7:], model(second))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_of_another_document_changes_nothing(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    ids = torch.arange(9)[None]
    padded = torch.cat((ids, torch.zeros(1, 5, dtype=torch.long)), dim=1)
    documents = torch.tensor([[0] * 9 + [1] * 5])
    torch.testing.assert_close(model(padded, documents=documents)[:, :9], model(ids))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_what_comes_after_a_place_is_seen_by_the_bidirectional_family_only(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    ids = torch.arange(12)[None]
    changed = ids.clone()
    changed[0, 8] = 40
    difference = (model(ids) - model(changed)).abs().amax(-1)[0]
    assert difference[8:].min() > 1e-3
    assert difference[:8].min() > 1e-3 if family == "modernbert" else difference[:8].max() < 1e-5


@torch.no_grad()
def test_a_local_layer_sees_no_further_than_half_its_window() -> None:
    config = replace(small_config("modernbert"), num_hidden_layers=2, local_attention=6)
    model = random_weights(config)
    model.model.layers[0].self_attn.o_proj.weight.zero_()  # layer 0 is global
    ids = torch.arange(20)[None]
    changed = ids.clone()
    changed[0, 10] = 40
    difference = (model(ids) - model(changed)).abs().amax(-1)[0]
    assert (difference > 1e-4).nonzero().flatten().tolist() == [7, 8, 9, 10, 11, 12, 13]


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


@torch.no_grad()
@pytest.mark.parametrize("family", CAUSAL)
def test_a_cache_gives_the_logits_of_the_whole_row(family: FamilyName) -> None:
    model, ids, cache = random_weights(small_config(family)), torch.arange(9)[None], ListCache()
    whole = model(ids)
    for place in range(9):
        cache.length = place + 1
        one = model(ids[:, place : place + 1], torch.tensor([[place]]), cache=cache)
        torch.testing.assert_close(one[:, 0], whole[:, place])


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_block_is_one_graph_for_the_compiler(family: FamilyName) -> None:
    model, ids = random_weights(small_config(family)), torch.arange(12)[None]
    plain = model(ids)
    for block in model.model.layers:
        block.compile(fullgraph=True, dynamic=False, backend="eager")
    torch.testing.assert_close(model(ids), plain)


@torch.no_grad()
@pytest.mark.parametrize("family", CAUSAL)
def test_the_engine_makes_what_the_bare_model_finds_likeliest(family: FamilyName) -> None:
    model = random_weights(small_config(family))
    prompts = [[3, 1, 4], [1], [5, 9, 2, 6, 5, 3]]
    asked = [Request(prompt, Sampling(20, temperature=0)) for prompt in prompts]
    for prompt, made in zip(prompts, Sampler(model, slots=2).sample(asked), strict=True):
        logits = model(torch.tensor([[*prompt, *made.ids]]))[0, len(prompt) - 1 : -1]
        chosen = logits.gather(-1, torch.tensor(made.ids)[:, None]).squeeze(-1)
        assert (logits.amax(-1) - chosen < 1e-3).all()


def test_a_bidirectional_model_has_no_cache_and_no_sampler() -> None:
    model = random_weights(small_config("modernbert"))
    with pytest.raises(AssertionError, match="bidirectional"):
        model(torch.arange(3)[None], cache=ListCache())
    with pytest.raises(UserError, match="modernbert"):
        Sampler(model)


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    for family in FAMILIES:
        models = [Transformer(small_config(family)) for _ in range(3)]
        for model, seed in zip(models, (5, 5, 6), strict=True):
            init_weights(model, seed)
        a, b, c = (model.model.embed_tokens.weight for model in models)
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("family", FAMILIES)
def test_init_sets_every_parameter(family: FamilyName) -> None:
    model = Transformer(small_config(family, tie_word_embeddings=False))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    init_weights(model, seed=0)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            assert (parameter == (0 if name.endswith("bias") else 1)).all()


@torch.no_grad()
@pytest.mark.parametrize("family", ["qwen3", "llama"])
def test_blocks_begin_as_the_identity(family: FamilyName) -> None:
    model = Transformer(small_config(family))
    init_weights(model, seed=0)
    ids = torch.arange(10)[None]
    torch.testing.assert_close(model.hidden(ids), model.model.norm(model.model.embed_tokens(ids)))


@pytest.mark.parametrize("family", ["qwen3", "llama"])
def test_an_embedding_of_its_own_begins_at_the_size_of_the_stream(family: FamilyName) -> None:
    for tied, deviation in ((False, 1.0), (True, 0.02)):
        model = Transformer(small_config(family, tie_word_embeddings=tied))
        init_weights(model, seed=0)
        assert model.model.embed_tokens.weight.std().item() == pytest.approx(deviation, rel=0.1)
        assert model.head_weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_gpt2_begins_with_the_deviations_of_its_paper() -> None:
    model = Transformer(sizes(8, 512, 256, family="gpt2", width=256))
    init_weights(model, seed=0)
    wanted = {"embed_tokens.weight": 0.02, "embed_positions.weight": 0.01, "q_proj.weight": 0.02}
    wanted |= {"up_proj.weight": 0.02, "o_proj.weight": 0.005, "down_proj.weight": 0.005}  # 0.02 / sqrt(2 * 8)
    for name, parameter in model.named_parameters():
        for ending, deviation in wanted.items():
            if name.endswith(ending):
                assert parameter.std().item() == pytest.approx(deviation, rel=0.05), name


def test_modernbert_begins_cut_off_at_two_deviations() -> None:
    model = Transformer(sizes(8, 512, 256, family="modernbert", width=256))
    init_weights(model, seed=0)
    named = dict(model.named_parameters())
    assert 0.039 < named["model.embed_tokens.weight"].abs().max() <= 0.04
    assert 0.0095 < named["model.layers.3.mlp.down_proj.weight"].abs().max() <= 0.01


def test_one_dial_gives_all_sizes_and_each_may_be_overridden() -> None:
    config = sizes(4, vocab_size=4096, context=256)
    assert (config.hidden_size, config.num_hidden_layers, config.head_dim) == (256, 4, 64)
    assert (config.num_attention_heads, config.num_key_value_heads, config.intermediate_size) == (4, 2, 768)
    assert sizes(1, 100, 16).head_dim == 32
    assert sizes(1, 100, 16, heads=4).num_attention_heads == 4
    assert sizes(4, 100, 16, width=96, heads=3, kv_heads=1, mlp=128).head_dim == 32
    with pytest.raises(UserError, match="width 100 is not a multiple of its 3 heads"):
        sizes(2, 100, 16, width=100, heads=3)
    with pytest.raises(UserError, match="cannot share"):
        sizes(4, 100, 16, kv_heads=3)


def test_the_dial_gives_gpt2_its_own_shape_at_depth_12() -> None:
    config = sizes(12, 50257, 1024, family="gpt2")
    assert (config.hidden_size, config.intermediate_size, config.num_key_value_heads) == (768, 3072, 12)
    assert sizes(12, 50368, 8192, family="modernbert").intermediate_size == 1152
    with pytest.raises(UserError, match="gpt2 has as many key-value heads as heads"):
        sizes(12, 50257, 1024, family="gpt2", kv_heads=6)
