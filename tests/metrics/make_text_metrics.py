"""Writes text_metrics.json: BLEU, chrF, TER and ROUGE of made-up texts as sacreBLEU and rouge-score give them. Takes two minutes.

    python -m pip install sacrebleu==2.6.0 rouge-score==0.1.2 && python tests/metrics/make_text_metrics.py

The texts are drawn from a fixed seed and stored beside the results. References are random words, numbers, marks
and odd characters; a hypothesis is a reference with words dropped, added, replaced, moved, glued or in another case.
"""
import json
import pathlib
import random

import rouge_score.rouge_scorer
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER

random_ = random.Random(20240501)

ENGLISH = (
    "the a of and to in river harbour keeper lamp walked running quickly slow seven old blue Miller Aldwyn "
    "market bread salt winter letters carried across before nobody don't it's John's well-known e-mail U.S. Mr."
).split()
OTHERS = (
    "der Müller über Straße größer Äpfel l'été naïve où forêt Œuvre și țară încă mâine ȘTIRE "
    "Λόγος ΟΔΟΣ ΣΑΣ река МОСКВА İstanbul ﬁn Kelvin \u212aelvin café cafe\u0301 ǅ"
).split()
CHINESE = ["我们", "在", "河边", "走路。", "二〇二四年", "，", "「灯」", "カタカナ", "ｆｕｌｌ", "𠀀𠀁", "〒", "한국어"]
NUMBERS = ["1", "42", "3.5", "1,234,567.89", "1990-1995", "12%", "$5", "€7,50", "10:30", "½", "²", "Ⅳ", "٣.٤", ".5", "7,", "2017.", "v2.4.0", "-3"]
MARKS = list(".,;:!?-()[]{}/\"'") + ["...", "--", "–", "—", "“", "”", "„", "…", "«", "»", "&", "@", "#", "*", "_", "^", "~", "|", "\\", "<", ">", "=", "+", "°", "€", "™", "→", "¿"]
ODD = ["&quot;", "&amp;", "&lt;", "&gt;", "&amp;lt;", "&apos;", "<skipped>", "🙂", "👩‍👩‍👧", "🇷🇴", "\u200d", "\ufeff", "\u00ad", "$1", "$&"]
SPACES = [" "] * 60 + ["  ", "\u00a0", "\u2009", "\u3000", "\t", "\u0085", "\u001c", "\u001f", "\u2028", "\n", "-\n", "\n-", "", "", ""]
POOLS = [ENGLISH] * 9 + [OTHERS] * 2 + [CHINESE, NUMBERS, NUMBERS, MARKS, MARKS, ODD]


def words(count):
    return [random_.choice(random_.choice(POOLS)) for _ in range(count)]


def text(tokens):
    return "".join(token + random_.choice(SPACES) for token in tokens).strip(" ") if random_.random() < 0.9 else " ".join(tokens) + " "


def edited(tokens):
    tokens = list(tokens)
    for _ in range(random_.choice([0, 1, 1, 2, 2, 3, 5, 9])):
        kind = random_.choice(["drop", "add", "replace", "move", "move", "glue", "case"])
        at = random_.randrange(len(tokens) + 1)
        if kind == "add":
            tokens[at:at] = words(1)
            continue
        if not tokens:
            continue
        at = min(at, len(tokens) - 1)
        if kind == "drop":
            del tokens[at]
        elif kind == "replace":
            tokens[at : at + 1] = words(1)
        elif kind == "move":
            run = tokens[at : at + random_.randint(1, 5)]
            del tokens[at : at + len(run)]
            to = random_.randrange(len(tokens) + 1)
            tokens[to:to] = run
        elif kind == "glue":
            tokens[at : at + 2] = ["".join(tokens[at : at + 2])]
        elif kind == "case":
            tokens[at] = random_.choice([tokens[at].upper(), tokens[at].lower(), tokens[at].title()])
    return tokens


def pair():
    reference = words(random_.choice([0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30]))
    hypothesis = edited(reference) if random_.random() < 0.93 else words(random_.randint(0, 8))
    return text(hypothesis), text(reference), text(edited(reference)), text(edited(reference))


def bleu(metric, hypotheses, references):
    result = metric.corpus_score(hypotheses, references)
    return {
        "score": result.score, "counts": result.counts, "totals": result.totals, "precisions": result.precisions,
        "brevityPenalty": result.bp, "hypothesisLength": result.sys_len, "referenceLength": result.ref_len,
        "signature": str(metric.get_signature()),
    }


def chrf(metric, hypotheses, references):
    result = metric.corpus_score(hypotheses, references)
    return {"score": result.score, "name": result.name, "signature": str(metric.get_signature())}


def ter(metric, hypotheses, references):
    result = metric.corpus_score(hypotheses, references)
    return {
        "score": result.score, "edits": result.num_edits, "referenceLength": result.ref_length,
        "signature": str(metric.get_signature()),
    }


ROWS = 360
drawn = [pair() for _ in range(ROWS)]
drawn[0] = ("", "", "", "")
drawn[1] = ("", "a lamp", "", "")
drawn[2] = ("a lamp", "", "", "")
drawn[3] = (" \u00a0 ", "\u3000", "x", "y")
drawn[4] = ("\u00a0.5 灯", ".5 灯", "\t.5 灯", " 灯.5")
hypotheses, first, second, third = map(list, zip(*drawn))
# the second stream has empty texts, the third no reference at all in some rows
second = [line if random_.random() < 0.9 else "" for line in second]
third = [line if random_.random() < 0.8 else None for line in third]
STREAMS = {"one": [first], "two": [first, second], "three": [first, second, third]}

BLEU_OPTIONS = (
    [{"tokenize": name} for name in ("13a", "intl", "char", "zh", "none")]
    + [{"tokenize": "intl", "lowercase": True}, {"lowercase": True}, {"effective_order": True}]
    + [{"max_ngram_order": order} for order in (1, 2, 6)]
    + [{"smooth_method": "floor"}, {"smooth_method": "floor", "smooth_value": 0.125}, {"smooth_method": "floor", "smooth_value": 0}]
    + [{"smooth_method": "add-k"}, {"smooth_method": "add-k", "smooth_value": 0.375, "effective_order": True}]
    + [{"smooth_method": "none"}, {"smooth_method": "exp", "smooth_value": 0.0}]
)
CHRF_OPTIONS = [
    {}, {"word_order": 2}, {"word_order": 1, "lowercase": True}, {"char_order": 3, "beta": 3},
    {"whitespace": True}, {"eps_smoothing": True}, {"eps_smoothing": True, "word_order": 2},
]
TER_OPTIONS = [
    {}, {"case_sensitive": True}, {"normalized": True}, {"no_punct": True},
    {"normalized": True, "no_punct": True, "case_sensitive": True},
]


def corpora(make, compute, all_options):
    """Over all rows, and over small parts, where higher orders have no match and segments are few."""
    cases = []
    for streams, references in STREAMS.items():
        for options in all_options:
            for start, end in [(0, ROWS), (0, 4), (4, 8), (40, 43), (100, 101)]:
                if end < ROWS and streams == "two":
                    continue
                part = [stream[start:end] for stream in references]
                expected = compute(make(**options), hypotheses[start:end], part)
                cases.append({"streams": streams, "options": options, "start": start, "end": end, "expected": expected})
    return cases


def by_row(metric, references):
    return [metric.sentence_score(hyp, list(refs)).score for hyp, *refs in zip(hypotheses, *references)]


def ter_words(count, vocabulary):
    return " ".join(f"w{random_.randrange(vocabulary)}" for _ in range(count))


def ter_shuffled(count, vocabulary, moves):
    """A long reference and the same with blocks of up to 14 words moved up to 70 places: past every limit of the search."""
    reference = ter_words(count, vocabulary).split()
    hypothesis = list(reference)
    for _ in range(moves):
        at = random_.randrange(len(hypothesis))
        run = hypothesis[at : at + random_.randint(1, 14)]
        del hypothesis[at : at + len(run)]
        to = max(0, min(len(hypothesis), at + random_.randint(-70, 70)))
        hypothesis[to:to] = run
    return " ".join(hypothesis), " ".join(reference)


def ter_hard():
    pairs = []
    for count, vocabulary, moves in [(8, 4, 2), (12, 3, 3), (20, 6, 3), (30, 30, 2), (30, 5, 4), (60, 60, 3), (60, 8, 3), (120, 200, 3), (120, 20, 4)]:
        pairs += [ter_shuffled(count, vocabulary, moves) for _ in range(6)]
    # lengths so unequal that the beam widens, or leaves the corner
    for few, many in [(1, 80), (2, 140), (3, 200), (80, 1), (140, 2), (5, 60), (60, 5)]:
        pairs.append((ter_words(few, 9), ter_words(many, 9)))
    # turned by about as many words as the beam is wide on either side
    turned = [f"w{i}" for i in range(60)]
    pairs += [(" ".join(turned[by:] + turned[:by]), " ".join(turned)) for by in (23, 24, 25, 26, 34, 35, 36, 37)]
    # many repeated words: the candidates run out
    pairs += [(ter_words(count, 2), ter_words(count, 2)) for count in (10, 25, 40, 50)]
    return [{"hypothesis": h, "reference": r, "edits": ter(TER(), [h], [[r]])["edits"]} for h, r in pairs]


ROUGE_TYPES = ["rouge1", "rouge2", "rouge4", "rougeL", "rougeLsum"]


def lines(tokens):
    return " ".join(token if random_.random() < 0.9 else token + "\n" for token in tokens)


def rouge():
    """Half of the rows are words of few kinds in several lines, where union and clipping of rougeLsum matter."""
    scorer = rouge_score.rouge_scorer.RougeScorer(ROUGE_TYPES)
    pairs = [(first[i], hypotheses[i]) for i in range(0, 150)]
    for _ in range(150):
        few = random_.sample(ENGLISH, random_.choice([3, 5, 9, len(ENGLISH)]))
        reference = random_.choices(few, k=random_.randint(1, 30))
        prediction = edited(reference) if random_.random() < 0.5 else random_.choices(few, k=random_.randint(1, 30))
        pairs.append((lines(reference), lines(prediction)))
    pairs += [("", ""), ("\n\n", "a"), ("a", "\n"), ("é", "ü"), ("a\n\nb c", "b c\n\n\na")]
    return [
        {"reference": r, "prediction": p, "scores": [[*scorer.score(r, p)[name]] for name in ROUGE_TYPES]}
        for r, p in pairs
    ]


reference = {
    "made": "make_text_metrics.py",
    "sacrebleu": sacrebleu.__version__,
    "hypotheses": hypotheses,
    "streams": STREAMS["three"],
    "bleu": corpora(BLEU, bleu, BLEU_OPTIONS),
    "chrf": corpora(CHRF, chrf, CHRF_OPTIONS),
    "ter": corpora(TER, ter, TER_OPTIONS),
    "rows": {
        "bleu": {name: by_row(BLEU(tokenize=name, effective_order=True), STREAMS["one"]) for name in ("13a", "intl", "char", "zh")},
        "chrf": by_row(CHRF(), STREAMS["three"]),
        "chrf++": by_row(CHRF(word_order=2), STREAMS["one"]),
        "ter": by_row(TER(), STREAMS["one"]),
    },
    "terHard": ter_hard(),
    "rougeTypes": ROUGE_TYPES,
    "rouge": rouge(),
}


def dump(value):
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "]"
    return json.dumps(value, separators=(",", ":"))


target = pathlib.Path(__file__).with_name("text_metrics.json")
target.write_text("{\n" + ",\n".join(f"{json.dumps(key)}: {dump(value)}" for key, value in reference.items()) + "\n}\n")
