"""Text with holes in it, for a masked model to fill."""

from __future__ import annotations

from tumbler.errors import UserError
from tumbler.text.special import MASK
from tumbler.text.tokenizer import Tokenizer


def masked_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text, framed as a document; where its author wrote `<|mask|>`, the mask token stands.

    Raises UserError when the tokenizer has no such token. A space before the mask belongs to the token it hides
    (`is <|mask|>.` asks for ` Paris`), so it is left out of the ids.
    """
    if MASK not in tokenizer.special:
        raise UserError(f"the tokenizer has no {MASK} token: its model was not trained to fill masks")
    first, *rest = text.split(MASK)
    ids = [*tokenizer.begin, *tokenizer.encode(first.removesuffix(" ") if rest else first)]
    for number, part in enumerate(rest, 1):
        after = part.removesuffix(" ") if number < len(rest) else part
        ids += [tokenizer.special[MASK], *tokenizer.encode(after)]
    return [*ids, tokenizer.end]
