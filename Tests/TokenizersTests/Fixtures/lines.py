"""Texts that the fixtures are made of: many scripts, emoji, code, white space, digits, contractions, random scalars."""

import random
import unicodedata

SENTENCES = """The quick brown fox jumps over the lazy dog.
She said: "I'll be back by 10:30 p.m., won't I?" — and left.
It's what they've WON'T done; we're HE'LL I'D you'Re they'VE can'T 'S 'sun 'Twas 'ſ o'clock rock'n'roll.
Die süße Hündin läuft in die Höhle der Bären. Straße, GRÖSSE, ẞ.
Le cœur a ses raisons que la raison ne connaît point. L'été, à Noël, ça va !
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; ¿añoraba a su querido cachorro?
O próximo vôo à noite sobre o Atlântico põe freqüentemente o único médico.
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.
Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul'da ılık. Iğdır DIŞ
Nguyễn Văn Tài nói tiếng Việt rất giỏi; Đà Nẵng đẹp quá!
Съешь же ещё этих мягких французских булок, да выпей чаю.
Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п'яне знаємо.
Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. Οἱ ἄνθρωποι, ᾠδή, ΣΊΣΥΦΟΣ.
דג סקרן שט בים מאוכזב ולפתע מצא לו חברה. שָׁלוֹם עֲלֵיכֶם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق. السَّلَامُ عَلَيْكُمْ ١٢٣٤٥
چو ایران نباشد تن من مباد؛ می‌خواهم ۱۲۳ کتاب.
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णुवतार भगवान श्रीराम। १२३४
আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না। ৪৫৬
நான் கண்ணாடி சாப்பிடுவேன், அதனால் எனக்கு ஒரு கேடும் வராது. ௧௨௩
నేను గాజు తినగలను అయినా నాకు యేమీ కాదు. ಕನ್ನಡ ಭಾಷೆ മലയാളം ഭാഷ
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
ຂອ້ຍກິນແກ້ວໄດ້ໂດຍທີ່ມັນບໍ່ໄດ້ເຮັດໃຫ້ຂອ້ຍເຈັບ ខ្ញុំអាចញុំកញ្ចក់បាន ကျွန်တော် ကျွန်မ မှန်စားနိုင်တယ်။
私はガラスを食べられます。それは私を傷つけません。東京タワー、１２３４円！ｶﾞｷﾞｸﾞ
いろはにほへと　ちりぬるを。カタカナ・ひらがな「漢字」『々〆ヵヶ』
我能吞下玻璃而不伤身体。今天是2026年8月13日，天气：晴转多云（25℃）。
我能吞下玻璃而不傷身體。「繁體中文」、標點符號……——《書名》
나는 유리를 먹을 수 있어요. 그래도 아프지 않아요. 다람쥐 헌 쳇바퀴에 타고파 ㅋㅋㅋ ᄀᆞᆯ
Бид шил идэж чадна. მინას ვჭამ და არა მტკივა. Կրնամ ապակի ուտել և ինծի անհանգիստ չըներ։
ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ ⰀⰁⰂ 𐌰𐌱𐌲 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 Ⅷ ⅷ ½ ¾ ² ³ ¹ ① ⑳ ㊿ ㈱ ﬁ ﬃ ﬅ
Ａｌｐｈａ ｂｅｔａ １２３　全角ｽﾍﾟｰｽ ﷺ ㍿ Å Ω K é é ǖ ǖ ḍ̇ ḍ̇
👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 🇯🇵🇩🇪🇫 1️⃣2️⃣ ❤️❤ ☕️ 😀😃😄 🤷🏻‍♀️ 🫠 🧑‍💻
Zalgo: H̷̢̛͎e̵̲͝l̸̰̓l̶͉͋o̴̳͝ naïve café e\u0301\u0302\u0303 a\u0308\u0323 \u0301lone mark
price: $1,234.56 €99,— £5 ¥1000 ₹500 ₿0.001 100% ±3° 5×4=20 x²+y²≤z² ∑∫√∞ a≠b
1 22 333 4444 55555 666666 7777777 88888888 3.14159 1e-9 0xDEADBEEF 192.168.0.1 +49-30-1234567 12:34:56
https://example.org/path/to/page?query=1&x=%20y#frag mailto:jane.doe+tag@example.com /usr/local/bin ~/file_name-v2.tar.gz C:\\Windows\\System32
#hashtag @mention **bold** _under_ ~~strike~~ `code` [link](url) <b>html</b> &amp; {{ template }} {% if %}
camelCase PascalCase snake_case SCREAMING_SNAKE kebab-case HTTPServer XMLHttpRequest iPhone McDonald DNA2RNA aB Ab AB ab 中A中b A中
!!! ??? ... ,,, ;;; ::: --- === *** /// \\\\\\ ||| &&& ^^^ %%% $$$ ### @@@ ((())) [[[]]] {{{}}} <<<>>> '''\"\"\"```
""".splitlines()

CODE = [
    "def f(x):\n    return x ** 2  # square\n\n\nclass A(B):\n\tpass\n",
    "for (int i = 0; i < n; ++i) {\n        a[i] += b[i] * c[i];\n}\r\n\r\n// done\r\n",
    "let x: [String: Int] = [\"a\": 1, \"b\": 2]\nguard let y = x[\"a\"] else { return nil }\n",
    "SELECT * FROM t WHERE a >= 10 AND b LIKE '%x%';\n-- comment\n",
    "<div class=\"a b\">\n  <p>Text&nbsp;here</p>\n</div>\n",
    "{\n  \"key\": [1, 2.5, null, true],\n  \"nested\": {\"k\": \"v\\n\"}\n}\n",
    "fn main() { println!(\"{:?}\", vec![1u8, 2, 3]); } // 'a lifetime\n",
    "#!/bin/sh\nset -eu\nfor f in *.txt; do echo \"$f\" | sed 's/a/b/g'; done\n",
    "\\begin{equation}\n  \\frac{a}{b} = \\sum_{i=0}^{n} x_i\n\\end{equation}\n",
    "a\tb\t\tc\n\td\n \te\n\t f\n",
]

SPACES = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", " \n ", "  \n\n  ", "\t\n\t", "a ", " a", "  a", "   a  b   c    d",
    "a\n", "a\n\n\nb", "a \n b", "a\r\n\r\nb", "a  \n\n  b", "a\n    b\n        c", "\u00a0", "a\u00a0b", "\u00a0\u00a0a", "\u3000a\u3000\u3000b",
    "\u2003\u2009x", "\u200bx\u200b", "\u2028x\u2029y", "\u0085x", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "a\u202fb", "\u1680x", "\ufeffx",
    " " * 40 + "x", "x" + " " * 41, "\n" * 17, "\t" * 9 + "x", " \t \t x", "x \r y", "...   \n\n   ...", "!\n!\r\n!/\n//\n", " /\n /", "- \n", "1 \n2",
]

CONTRACTIONS = [
    f"{word}{mark}{end}{after}"
    for word, after in (("I", ""), ("WE", " x"), ("they", "."), ("1", "s"), (" ", "t"), ("-", "a"))
    for mark in ("'", "’", "''")
    for end in ("s", "S", "t", "T", "re", "RE", "Re", "ve", "Ve", "m", "M", "ll", "LL", "lL", "d", "D", "ſ", "r", "v", "l", "x")
]

SPECIALS = [
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>", "a<|im_end|>b", "<|im_end|><|im_end|>", "<|im_start|>  spaces  <|im_end|>  ", "<|im_star|>", "<|im_start", "|im_start|>",
    "text <think>\nreasoning</think> text", "<think><think>", " <tool> x", "x<tool>x", "x <tool> x", "  <strip>  x", "x  <strip>  ", "<strip><strip>",
    "a <strip> <strip> b", "<tool>", "<tool>s", "s<tool>", "é<tool>é", "_<tool>_", "-<tool>-", "<|im_start|><think><|im_end|>", "<|IM_START|>",
    "UPPER <Norm> x", "<norm> and <NORM>", "<|im_<|im_start|>", "日本<|im_end|>語", "🙂<think>🙂", "<|im_end|>\n\n<|im_start|>", "\n<strip>\n", "",
    "<s>hello</s>", "<s> hello </s> world", "<unk> x", "<0x0A>", "▁x", "a▁b", "<|im_start|>system\nYou are.<|im_end|>\n<|im_start|>user\nHi'll 123<|im_end|>\n",
]

INVALID = [
    b"\xff", b"abc\xff", b"\xffabc", b"a\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x28\xa1", b"\xf0\x9f\x98", b"\xf0\x9f\x98 x", b"\xed\xa0\x80", b"\xc0\xaf",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"hello \x80\x81 world\xfe\xff!", b"\xc3\xa9\xa9\xc3", b"caf\xe9 na\xefve", b"\x80" * 20, b"12\xff34",
    b" \xff \xff\n\xff", b"don\xff't", b"don't\xff's", b"\xe4\xb8\xad\xe4\xb8", b"\x00\x01\x02\xff\x7f", b"\xef\xbb\xbfx", b"\xf0\x9f\x98\x80\xf0\x9f",
    bytes(range(256)), bytes(reversed(range(256))), b"A\xffb\xffC", b"\xff\r\n\xff\n\n\xff", b"'\xff", b"\xff'll", b"\xff/\xff\n/",
]

POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " \t\n\r", " ", "'\"`", ".,;:!?-_/\\()[]{}<>@#$%^&*+=|~",
    "éàüßñçøåæœþðłşğıőűăâđơư", "ÉÀÜẞÑÇØÅÆŒÞÐŁŞĞİŐŰĂÂĐƠƯ", "ǅǈǋǲ", "ʰʲˠₐₑ々ーꟹ", "ªºƻǀاאक中あア한ไ", "\u0301\u0308\u0323\u093e\u0903\u20dd\u0e34\u064e",
    "٠١٢३४５６𝟗", "ⅣⅷↃ〇〡", "²½①㊿௰", "‿⁀＿", "‐—〜", "«»“”‘’", "、。！？؟।", "+<=>|~¬±×÷∀", "$€£¥₿", "^`¨¯´", "©®°№™😀🎉👍🏽", "\u00a0\u3000\u2003\u2028\u2029\u0085",
    "\x00\x07\x1f\x7f", "\u200b\u200d\ufeff\u00ad\u2060", "\ue000\uf8ff", "абвгдеёж", "АБВГДЕЁЖ", "αβγδςσ", "漢字仮名交文東京", "ひらがなカタカナ", "가나다라힣", "각",
    "กขคงจฉ", "𐐀𐐨𝒜𝒷𠀀𓀀", "ſKÅ", "ﬁﬂﷺ㍿", "/", "\n", "s", "t",
]


def random_lines(count, seed):
    rng = random.Random(seed)
    lines = []
    for index in range(count):
        length = rng.choice((1, 2, 3, 5, 8, 13, 21, 34))
        pools = rng.sample(POOLS, rng.randint(1, 6))
        lines.append("".join(rng.choice(rng.choice(pools)) for _ in range(length)))
    return lines


def scalar_lines(count, seed):
    """Scalars from everywhere that Unicode 3.2 already knew, so that newer tables agree."""
    rng = random.Random(seed)
    old = unicodedata.ucd_3_2_0
    known = [v for v in range(0x20, 0x30000) if not 0xD800 <= v < 0xE000 and old.category(chr(v)) not in ("Cn", "Co", "Cs")]
    known = [v for v in known if old.category(chr(v)) == unicodedata.category(chr(v))]
    lines = []
    for _ in range(count):
        base = rng.randrange(len(known))
        near = known[max(0, base - 12) : base + 12]
        lines.append("".join(chr(rng.choice(near)) if rng.random() < 0.85 else rng.choice(" a1.\n") for _ in range(rng.randint(4, 16))))
    return lines


def mixed_lines(count, seed):
    rng = random.Random(seed)
    words = " ".join(SENTENCES).split() + CODE + SPACES
    return [rng.choice(("", " ", "  ", "\n")).join(rng.choice(words) for _ in range(rng.randint(2, 7))) for _ in range(count)]


def all_lines():
    lines = SENTENCES + CODE + SPACES + CONTRACTIONS
    lines += random_lines(1100, 1) + scalar_lines(350, 2) + mixed_lines(250, 3)
    lines += ["a" * 300, "ab" * 200, "x" * 65, " " * 200, "你好" * 60, "é" * 130, "".join(chr(97 + i * i % 26) for i in range(500)), ""]
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    lines = all_lines()
    print(len(lines), sum(len(line.encode()) for line in lines))
