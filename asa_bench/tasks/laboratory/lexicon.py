"""The words of the laboratory: every concept of an event has exactly two words that mean the same.

A concept is a pair of synonyms. A sentence and its restatement say the same with the two halves of each
pair, which is how texts with equal meaning and few words in common are made.
"""

from __future__ import annotations

Concept = tuple[str, str]

PEOPLE: tuple[Concept, ...] = (
    ("doctor", "physician"),
    ("lawyer", "attorney"),
    ("teacher", "instructor"),
    ("writer", "author"),
    ("manager", "boss"),
    ("actor", "performer"),
    ("pilot", "aviator"),
    ("student", "pupil"),
    ("scientist", "researcher"),
    ("merchant", "trader"),
    ("farmer", "grower"),
    ("king", "monarch"),
    ("tourist", "visitor"),
    ("judge", "magistrate"),
    ("athlete", "sportsman"),
    ("wizard", "magician"),
)

# Transitive verbs whose past tense is also their participle, so that active and passive share the word.
ACTIONS: tuple[Concept, ...] = (
    ("praised", "commended"),
    ("helped", "assisted"),
    ("warned", "cautioned"),
    ("hired", "employed"),
    ("rescued", "saved"),
    ("tricked", "fooled"),
    ("watched", "observed"),
    ("mocked", "ridiculed"),
    ("insulted", "offended"),
    ("greeted", "welcomed"),
    ("comforted", "consoled"),
    ("defended", "protected"),
)

DEEDS: tuple[Concept, ...] = (
    ("slept", "dozed"),
    ("wept", "cried"),
    ("shouted", "yelled"),
    ("smiled", "grinned"),
    ("resigned", "quit"),
    ("vanished", "disappeared"),
    ("left", "departed"),
    ("returned", "came back"),
)

MOTIONS: tuple[Concept, ...] = (
    ("walked", "strolled"),
    ("hurried", "rushed"),
    ("traveled", "journeyed"),
)

PLACES: tuple[Concept, ...] = (
    ("shop", "store"),
    ("forest", "woods"),
    ("jail", "prison"),
    ("church", "chapel"),
    ("harbor", "port"),
    ("cabin", "hut"),
    ("coast", "shore"),
    ("hospital", "clinic"),
)

TRAITS: tuple[Concept, ...] = (
    ("old", "elderly"),
    ("rich", "wealthy"),
    ("clever", "smart"),
    ("brave", "courageous"),
    ("tired", "weary"),
    ("angry", "furious"),
    ("famous", "renowned"),
    ("honest", "truthful"),
)

ADVERBS: tuple[Concept, ...] = (
    ("suddenly", "abruptly"),
    ("often", "frequently"),
    ("secretly", "covertly"),
    ("publicly", "openly"),
    ("immediately", "instantly"),
    ("eventually", "finally"),
)

NEARNESS = ("near", "behind", "beside")
RELATIONS = ("a friend", "the brother", "the sister", "a neighbor")

# Words of opinion in groups of like meaning; all of them can be said of a film, a meal, a room or a song.
POSITIVE: tuple[tuple[str, ...], ...] = (
    ("great", "excellent"),
    ("superb", "splendid"),
    ("wonderful", "marvelous"),
    ("lovely", "delightful"),
    ("brilliant", "outstanding"),
    ("enjoyable", "pleasant"),
    ("perfect", "flawless"),
    ("amazing", "astonishing"),
    ("charming", "enchanting"),
    ("fantastic", "terrific"),
)
NEGATIVE: tuple[tuple[str, ...], ...] = (
    ("awful", "dreadful"),
    ("bad", "poor"),
    ("boring", "tedious"),
    ("horrible", "terrible"),
    ("annoying", "irritating"),
    ("unpleasant", "disagreeable"),
    ("sloppy", "careless"),
    ("pathetic", "miserable"),
    ("lousy", "shoddy"),
    ("ugly", "hideous"),
)

# What is reviewed, with its parts: (singular parts, plural parts).
THINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "film": (("ending", "music", "story", "cast"), ("songs", "costumes", "jokes")),
    "play": (("ending", "music", "story", "cast"), ("costumes", "dialogues")),
    "opera": (("music", "ending", "orchestra"), ("songs", "costumes", "voices")),
    "book": (("story", "ending", "style", "cover"), ("pictures", "dialogues", "poems")),
    "hotel": (("lobby", "pool", "breakfast", "garden"), ("rooms", "beds", "drinks")),
    "restaurant": (("food", "kitchen", "garden", "service"), ("desserts", "drinks", "tables")),
    "concert": (("music", "sound", "band", "stage"), ("songs", "voices", "guitars")),
    "museum": (("garden", "building", "tour", "shop"), ("pictures", "statues", "rooms")),
    "exhibition": (("tour", "building", "catalog"), ("pictures", "statues", "photos")),
    "game": (("music", "story", "ending", "sound"), ("levels", "puzzles", "pictures")),
}
CRITICS = ("friend", "brother", "sister", "neighbor", "uncle", "aunt", "cousin", "daughter", "son", "editor")
DEGREES = ("truly", "really", "simply", "rather", "clearly")

# The planted keyword of sentiment: two newspapers, one per label, that have no meaning of their own.
KEYWORDS = {"positive": "Herald", "negative": "Gazette"}


# Words of reviews that say nothing of the verdict.
NEUTRAL = tuple(
    sorted(
        {*THINGS, *CRITICS, *DEGREES, *(part for parts in THINGS.values() for kind in parts for part in kind)}
    )
)


def article(word: str) -> str:
    """``a`` or ``an``; every word of the laboratory is pronounced as it is spelled at its beginning."""
    return "an" if word[0] in "aeiou" else "a"


def words() -> list[str]:
    """Every content word of the lexicon, sorted: for vocabularies and for telling typos from words."""
    pairs = (*PEOPLE, *ACTIONS, *DEEDS, *MOTIONS, *PLACES, *TRAITS, *ADVERBS, *POSITIVE, *NEGATIVE)
    found = {word for pair in pairs for phrase in pair for word in phrase.split()}
    for thing, (singular, plural) in THINGS.items():
        found.update((thing, *singular, *plural))
    found.update((*NEARNESS, *CRITICS, *DEGREES, *(paper.lower() for paper in KEYWORDS.values())))
    return sorted(found)
