"""Scores of sacrebleu's chrF, for ChrFTests: python chrf_fixture.py > chrf.json (pip install sacrebleu==2.6.0)."""

import json

import sacrebleu
from sacrebleu.metrics import CHRF

PAIRS = [
    ("the cat sat on the mat", "the cat sat on the mat"),
    ("the cat sat on a mat", "the cat sat on the mat"),
    ("", "the cat"),
    ("the cat", ""),
    ("", ""),
    ("a", "a"),
    ("a", "b"),
    ("abc", "abcdefgh"),
    ("abcdefgh", "abc"),
    ("ab", "ab cd ef"),
    ("The Cat", "the cat"),
    ("tame kilo nurat", "tame kilen nuratas"),
    ("  spaced   out\ttext\n", "spaced out text"),
    ("naïve café", "naive cafe"),
    ("e\u0301tude", "\u00e9tude"),
    ("東京に行きます", "東京へ行きました"),
    ("\u3000wide\u00a0space", "wide space"),
    ("aaaaaaa", "aaa"),
    ("The old hunter saw the dogs in the forest.", "The hunter's old dog saw the foxes in the forests."),
]
metric = CHRF()
print(json.dumps({
    "sacrebleu": sacrebleu.__version__,
    "pairs": [[h, r, metric.sentence_score(h, [r]).score] for h, r in PAIRS],
    "corpus": metric.corpus_score([h for h, _ in PAIRS], [[r for _, r in PAIRS]]).score,
}, indent=1))
