"""Writes the fixtures of the tokenizer tests: vocabularies trained here, texts, and what the Python packages
`tokenizers` and `sentencepiece` make of them.

Usage: python3 generate.py [SmolLM2.gguf]     (pip install tokenizers==0.23.3 sentencepiece==0.1.97 gguf)

Per tokenizer NAME there is `NAME/tokenizer.json` or `NAME/tokenizer.model`, and `NAME/ids.txt`: for each text of
lines.json one line of token ids, two base-64 digits each (three for SmolLM2; most significant first, A-Z a-z 0-9 + -). `special.txt` and
`plain.txt` are the texts of specials.json with control tokens read and not read, `invalid.txt` those of invalid.json
(hexadecimal), `decoded.json` the decoded ids where they differ from the text. `splits.json` and `splits/*.txt` hold the
lengths of the pieces that expressions cut the texts into.
"""

import glob
import io
import json
import os
import sys
import sysconfig

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import lines as texts

HERE = os.path.dirname(os.path.abspath(__file__))
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN35 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES


def o200k(contractions, digits):
    upper, lower = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+{contractions}|[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*{contractions}|"
        rf"{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|" + SPACES
    )


GPT4O = o200k(CONTRACTIONS + "?", r"\p{N}{1,3}")
TEKKEN = o200k("", r"\p{N}")
DEEPSEEK_CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_V3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + SPACES
)
DEEPSEEK_LETTERS = (
    r"\s?["
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-"
    "\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
    "]+"
)
DEEPSEEK_PUNCTUATION = r"\s?[!-/:-~" "\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
DEEPSEEK_IDEOGRAPHS = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

# Expressions whose pieces alone are compared: every name of a pre-tokenizer that GGUF files may give, and some syntax.
SPLITS = {
    "gpt2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "qwen35": [QWEN35],
    "gpt-4o": [GPT4O],
    "tekken": [TEKKEN],
    "deepseek-v3": [r"\p{N}{1,3}", DEEPSEEK_CJK, DEEPSEEK_V3],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_IDEOGRAPHS, r"\p{N}"],
    "deepseek-llm": [r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, r"\s+$", DEEPSEEK_IDEOGRAPHS, r"\p{N}+"],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"],
    "seed-coder": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "exaone-moe": [
        CONTRACTIONS
        + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
    ],
    "minicpm5": [r"\p{N}{1,3}", CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O],
    "poro-chat": [r" ?[^(\s|.,!?…。，、।۔،)]+"],
    "youtu": [
        "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
        "|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        o200k(CONTRACTIONS + "?", r"\p{N}"),
    ],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    # No model's: they pin the syntax.
    "x-words": [r"\w+|[^\w\s]+"],
    "x-lazy": [r"[a-z]+?[0-9]|\p{Lu}{2,3}?|(?>a+)b|x*+x|(ab|a)(bc|c)?"],
    "x-look": [r"(?<=a)b+|(?<!\s)\p{L}\b|^\S+$|\B[.,]|(?i)stra\p{L}e|[\p{L}&&[^a-m]]{2}|[^\P{Lu}A-M]|\x41\u0042?|[\w\-]"],
    "x-han": [r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+|\p{^L}"],
}

# Vocabularies that see every third text only, to keep the fixtures small.
SAMPLED = ("prefix", "falcon", "spnoprefix")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = [
    AddedToken("<think>", normalized=False),
    AddedToken("<tool>", single_word=True, normalized=False),
    AddedToken("<strip>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("<Norm>", normalized=True),
]


def training_text():
    library = sysconfig.get_path("stdlib")
    for name in ("textwrap", "heapq", "json/decoder", "html/parser", "fractions", "string", "difflib"):
        with open(f"{library}/{name}.py", encoding="utf-8") as source:
            yield from source.read().split("\n\n")
    for _ in range(6):
        yield from texts.SENTENCES
        yield from texts.CODE


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def bpe_tokenizers():
    """name: (normalizer, pre-tokenizer, decoder, changes to the finished file)"""
    plain = byte_level(use_regex=False)
    sequence = pre_tokenizers.Sequence
    mark = "\u2581"
    sentencepiece_decoder = decoders.Sequence(
        [decoders.Replace(mark, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return {
        "gpt2": (None, byte_level(), decoders.ByteLevel(), {}),
        "prefix": (None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel(), {}),
        "smollm": (None, sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]), decoders.ByteLevel(), {}),
        "qwen2": (normalizers.NFC(), sequence([split(QWEN2), plain]), decoders.ByteLevel(), {}),
        "llama3": (None, sequence([split(LLAMA3), plain]), decoders.ByteLevel(), {"ignore_merges": True}),
        "gpt4o": (None, sequence([split(GPT4O), plain]), decoders.ByteLevel(), {}),
        "deepseek3": (
            normalizers.Sequence([]),
            sequence([split(r"\p{N}{1,3}"), split(DEEPSEEK_CJK), split(DEEPSEEK_V3), plain]),
            decoders.ByteLevel(),
            {},
        ),
        "falcon": (
            None,
            sequence(
                [
                    pre_tokenizers.Punctuation("contiguous"),
                    byte_level(),
                    pre_tokenizers.Digits(individual_digits=False),
                    split("[0-9][0-9][0-9]"),
                ]
            ),
            decoders.ByteLevel(),
            {},
        ),
        "mixtral": (
            normalizers.Sequence([normalizers.Prepend(mark), normalizers.Replace(" ", mark)]),
            None,
            sentencepiece_decoder,
            {"byte_fallback": True, "fuse_unk": True},
        ),
        "metaspace": (
            normalizers.Sequence([normalizers.Strip(True, False), normalizers.NFKC(), normalizers.Lowercase()]),
            pre_tokenizers.Metaspace(prepend_scheme="first", split=True),
            decoders.Metaspace(prepend_scheme="first"),
            {"unk_token": "<unk>", "fuse_unk": False},
        ),
    }


def train(name, normalizer, pre_tokenizer, decoder, changes):
    is_byte_level = "ByteLevel" in repr(pre_tokenizer)
    special = SPECIAL if is_byte_level else ["<unk>", "<s>", "</s>"] + SPECIAL
    tokenizer = Tokenizer(models.BPE(unk_token=None if is_byte_level else "<unk>"))
    if normalizer:
        tokenizer.normalizer = normalizer
    # A vocabulary without a pre-tokenizer is trained on words all the same, or its merges would be whole lines.
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", behavior="merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if is_byte_level else [],
        limit_alphabet=1000 if is_byte_level else 400,
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    data = json.loads(tokenizer.to_str())
    data["model"].update(changes)
    if not pre_tokenizer:
        data["pre_tokenizer"] = None
    if data["model"]["byte_fallback"]:
        base = len(data["model"]["vocab"])
        data["model"]["vocab"].update({f"<0x{byte:02X}>": base + byte for byte in range(256)})
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoder
    tokenizer.add_tokens(ADDED)
    begin = "<|im_start|>" if is_byte_level else "<s>"
    if name in ("llama3", "mixtral"):
        template = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, tokenizer.token_to_id(begin))])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), template]) if name == "llama3" else template
    elif name == "prefix":
        ends = [(text, tokenizer.token_to_id(text)) for text in ("<|im_end|>", "<|im_start|>")]
        tokenizer.post_processor = processors.RobertaProcessing(*ends)
    return tokenizer


def encode_ids(ids, digits):
    assert all(i < 64**digits for i in ids)
    return "".join(DIGITS[i >> 6 * place & 63] for i in ids for place in reversed(range(digits)))


def write(path, content):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(content)


def write_ids(path, rows, digits=2):
    write(path, "".join(encode_ids(row, digits) + "\n" for row in rows))


def write_json(path, value):
    write(path, json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def write_decoded(name, lines, decode):
    """Decoded ids per text: null where they read as the text itself."""
    decoded = [decode(line) for line in lines]
    write_json(f"{name}/decoded.json", [None if text == line else text for text, line in zip(decoded, lines)])


def invalid_ids(tokenizer, data):
    """Ids of ill-formed text: each ill-formed byte cuts words as U+FFFD would, and is its own byte in the word."""
    characters, sources, position = "", [], 0
    while position < len(data):
        for length in (1, 2, 3, 4):
            try:
                character = data[position : position + length].decode("utf-8")
            except UnicodeDecodeError:
                continue
            if len(character) == 1:
                break
        else:
            character, length = "\ufffd", 1
        characters += character
        sources.append(data[position : position + length])
        position += length
    alphabet = {byte: chr(char) for byte, char in byte_alphabet().items()}
    ids = []
    for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(characters):
        word = "".join(alphabet[byte] for source in sources[start:end] for byte in source)
        ids += [token.id for token in tokenizer.model.tokenize(word)]
    return ids


def byte_alphabet():
    table, extra = {}, 0x100
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF:
            table[byte] = byte
        else:
            table[byte], extra = extra, extra + 1
    return table


def write_bpe(all_lines):
    for name, parts in bpe_tokenizers().items():
        lines = all_lines[::3] if name in SAMPLED else all_lines
        tokenizer = train(name, *parts)
        write(f"{name}/tokenizer.json", json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
        tokenizer.encode_special_tokens = True
        write_ids(f"{name}/ids.txt", [tokenizer.encode(line).ids for line in lines])
        write_ids(f"{name}/plain.txt", [tokenizer.encode(line, add_special_tokens=False).ids for line in texts.SPECIALS])
        tokenizer.encode_special_tokens = False
        write_ids(f"{name}/special.txt", [tokenizer.encode(line, add_special_tokens=False).ids for line in texts.SPECIALS])
        if name in ("gpt2", "smollm", "llama3", "gpt4o", "deepseek3"):
            write_ids(f"{name}/invalid.txt", [invalid_ids(tokenizer, data) for data in texts.INVALID])
        if name == "prefix":
            continue
        write_decoded(
            name, lines, lambda line: tokenizer.decode(tokenizer.encode(line, add_special_tokens=False).ids, skip_special_tokens=True)
        )


def write_splits(lines):
    write_json("splits.json", SPLITS)
    for name, patterns in SPLITS.items():
        splitter = pre_tokenizers.Sequence([split(pattern) for pattern in patterns])
        rows = []
        for line in lines[:: 1 if name.startswith("x-") else 3]:
            lengths = [len(piece.encode()) for piece, _ in splitter.pre_tokenize_str(line)]
            rows.append("".join(DIGITS[n] if n < 63 else f"-{n}." for n in lengths))
        write(f"splits/{name}.txt", "".join(row + "\n" for row in rows))


def write_sentencepiece(all_lines):
    models_ = {
        "unigram": dict(model_type="unigram", normalization_rule_name="nmt_nfkc", vocab_size=1200, character_coverage=0.995),
        "spbpe": dict(
            model_type="bpe",
            normalization_rule_name="identity",
            vocab_size=1500,
            byte_fallback=True,
            split_digits=True,
            remove_extra_whitespaces=False,
            user_defined_symbols=["<think>", "  ", "    "],
            control_symbols=["<|im_start|>", "<|im_end|>"],
            character_coverage=0.98,
        ),
        "spnoprefix": dict(
            model_type="bpe",
            normalization_rule_name="identity",
            vocab_size=1300,
            byte_fallback=True,
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            character_coverage=0.98,
        ),
    }
    training = [line for text in training_text() for line in text.split("\n") if line.strip()]
    for name, options in models_.items():
        lines = all_lines[::3] if name in SAMPLED else all_lines
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training), model_writer=model, hard_vocab_limit=False, minloglevel=2, num_threads=1, **options
        )
        os.makedirs(os.path.join(HERE, name), exist_ok=True)
        with open(os.path.join(HERE, name, "tokenizer.model"), "wb") as file:
            file.write(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        write_ids(f"{name}/ids.txt", [processor.encode(line) for line in lines])
        write_decoded(name, lines, lambda line: processor.decode(processor.encode(line)))
        # The same vocabulary as GGUF metadata would hold it.
        if name != "unigram":
            count = processor.get_piece_size()
            types = [
                2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1 for i in range(count)
            ]
            for symbol in options.get("user_defined_symbols", []):
                types[processor.piece_to_id(symbol.replace(" ", "\u2581"))] = 4
            metadata = {
                "model": "llama",
                "tokens": [processor.id_to_piece(i) for i in range(count)],
                "scores": [processor.get_score(i) for i in range(count)],
                "token_type": types,
                "bos_token_id": processor.bos_id(),
                "eos_token_id": processor.eos_id(),
                "unknown_token_id": processor.unk_id(),
                "add_space_prefix": options.get("add_dummy_prefix", True),
                "add_bos_token": False,
            }
            write_json(f"{name}/tokenizer.gguf.json", metadata)


def write_smollm2(path, lines):
    """The real vocabulary, from a GGUF file: texts of tokens, and where the merge that makes each cuts it."""
    from gguf import GGUFReader

    fields = {key: field.contents() for key, field in GGUFReader(path).fields.items() if key.startswith("tokenizer.")}
    tokens, merges = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.merges"]
    kinds = fields["tokenizer.ggml.token_type"]
    made = {}
    for rank, merge in enumerate(merges):
        left, right = merge.split(" ")
        assert left + right not in made
        made[left + right] = (rank, len(left))
    ranked = [token for token in tokens if token in made]
    assert [made[token][0] for token in ranked] == list(range(len(merges))), "merges are not in the order of their tokens"
    rows = []
    for token, kind in zip(tokens, kinds):
        assert "\n" not in token and "\t" not in token
        mark = str(made[token][1]) if token in made else ""
        rows.append(f"{token}\t{mark}" if kind == 1 else f"{token}\t*")
    write("smollm2/vocabulary.txt", "".join(row + "\n" for row in rows))

    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds) if kind == 3])
    tokenizer.encode_special_tokens = True
    write_ids("smollm2/ids.txt", [tokenizer.encode(line).ids for line in lines], digits=3)
    write_ids("smollm2/plain.txt", [tokenizer.encode(line).ids for line in texts.SPECIALS], digits=3)
    tokenizer.encode_special_tokens = False
    write_ids("smollm2/special.txt", [tokenizer.encode(line).ids for line in texts.SPECIALS], digits=3)
    write_ids("smollm2/invalid.txt", [invalid_ids(tokenizer, data) for data in texts.INVALID], digits=3)


def main():
    lines = texts.all_lines()
    write_json("lines.json", lines)
    write_json("specials.json", texts.SPECIALS)
    write_json("invalid.json", [data.hex() for data in texts.INVALID])
    write_bpe(lines)
    write_splits(lines)
    write_sentencepiece(lines)
    if len(sys.argv) > 1:
        write_smollm2(sys.argv[1], lines)
    size = sum(os.path.getsize(path) for path in glob.glob(os.path.join(HERE, "**"), recursive=True) if os.path.isfile(path))
    print(f"{len(lines)} texts, {size} bytes of fixtures")


if __name__ == "__main__":
    main()
