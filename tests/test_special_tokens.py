"""The law that text never becomes a special token, at each of the three doors: pretraining, SFT, serving."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tumbler.chat.load import ChatModel
from tumbler.chat.respond import chat_request, text_request
from tumbler.engine import Sampling
from tumbler.sft.conversations import Source, to_examples
from tumbler.text.chat_format import OwnFormat
from tumbler.text.conversation import Conversation, Message
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.reader import CorpusRow
from tumbler.tokens.stage import _encode

hostile = st.lists(st.one_of(st.sampled_from(SPECIAL), st.text(max_size=6)), min_size=1, max_size=12).map("".join)


def specials(tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    known = set(tokenizer.special.values())
    return [id for id in ids if id in known]


@given(hostile)
def test_a_page_becomes_a_document_between_bos_and_end(small_tokenizer: Tokenizer, text: str) -> None:
    document = next(_encode(small_tokenizer, iter([CorpusRow(text, "id", "url", 0)])))
    assert specials(small_tokenizer, list(document.ids)) == [small_tokenizer.bos, small_tokenizer.end]
    assert small_tokenizer.decode(list(document.ids)[1:-1]) == text


@given(hostile, hostile, hostile)
def test_a_training_conversation_holds_the_special_tokens_of_its_turns_only(
    small_tokenizer: Tokenizer, system: str, user: str, assistant: str
) -> None:
    t = small_tokenizer
    messages = (Message("system", system), Message("user", user), Message("assistant", assistant))
    example = to_examples(iter([Source("here", Conversation(messages, "x"))]), t, 10_000).kept[0]
    assert specials(t, list(example.ids)) == [t.bos, t.system, t.end, t.user, t.end, t.assistant]


@given(hostile, hostile)
def test_a_request_holds_the_special_tokens_of_its_turns_only(
    small_tokenizer: Tokenizer, system: str, user: str
) -> None:
    t, sampling = small_tokenizer, Sampling(1)
    model = ChatModel(None, t, OwnFormat(t), (), None)  # type: ignore[arg-type]
    conversation = Conversation((Message("system", system), Message("user", user)), "x")
    ids = list(chat_request(model, conversation, sampling).request.ids)
    assert specials(t, ids) == [t.bos, t.system, t.end, t.user, t.end, t.assistant]
    assert specials(t, list(text_request(model, user, sampling).request.ids)) == [t.bos]
