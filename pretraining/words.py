"""Words for synthetic pages: so many and so random that a model cannot memorise them and must copy.

Every function takes the random generator, so the same seed gives the same words. No word comes from a task.
"""
# ruff: noqa: SIM905 (lists of words read better as text)

from __future__ import annotations

from random import Random

COMMON = (
    "about accept account action active add address advance again agree album alert all amount apply archive area arrow "
    "article ask attach author back badge balance bank base basic basket begin bill bird block board body book border "
    "bottle box branch bread bridge bright browse budget build bus business calendar call camera card cart case cat "
    "category center change chapter chart chat check city class clean clear client clock close cloud club code coffee "
    "collect colour column comment common company compare complete confirm connect contact content continue copy corner "
    "cost count country course cover create credit current custom customer daily dance data date day deal default delete "
    "deliver demand desk detail device dinner discount display doctor document dog door double down draft drive duration "
    "early east edit email empty end energy engine event exact example exit expert export extra face fact family farm "
    "fast father feature field figure file fill filter final find finish fire first fish flight floor flower follow food "
    "forest form forward free fresh friend front fruit full game garden gate general gift give glass gold good grand "
    "graph green ground group grow guest guide hall hand happy head health help hide high hill history hold holiday home "
    "hotel hour house idea image import inbox index info insert island item job join journey keep key kind kitchen lake "
    "language large last later learn left lesson letter level library light line link list local location lock long low "
    "lunch machine mail main make manager map mark market match meal media meeting member memory menu message method "
    "middle minute mode model modern money month more morning mother mountain move movie music name nature near net new "
    "news next night north note notice number ocean offer office old open option orange order other owner page paint "
    "pair paper parent park part party pass path pay people person phone photo picture piece place plan plant play "
    "player point policy popular post power present press price print private product profile project public purple "
    "quality quantity question quick quiet radio rain range rate read ready real recent record red region release "
    "remind remove rent repeat reply report request reset result return review right ring river road room round route "
    "row rule safe sale sample save school score sea season seat second section security see send series service set "
    "settings shape share ship shop short show side sign silver simple single site size sky sleep slow small snow song "
    "sort sound source south space speed sport spring square stage stand star start state station status step stock "
    "stone stop store story street strong student style subject submit sugar summary summer sun support table tag tall "
    "task tax teacher team terms test text theme thing ticket time title today token tool top total tour town track "
    "trade train travel tree trip type unit up update upload user valley value version video view village visit voice "
    "volume wait walk wall watch water way weather web week weight west white wide wind window winter wish wood word "
    "work world write year yellow yes young zone ok no cancel previous"
).split()
"""Common English words of buttons and labels."""

NAMES = (
    "Ada Alan Alice Amir Anna Ben Bruno Carla Chen Clara Daniel Diego Elena Emma Erik Eva Felix Fiona Grace Hanna Hugo "
    "Ines Ivan Jana Jonas Julia Karim Kira Lars Laura Leo Lina Lucas Maria Marta Mei Milan Mona Nadia Nico Nina Noah "
    "Olga Omar Oscar Paul Petra Raj Rita Rosa Samir Sara Sofia Sven Tara Theo Tina Uma Vera Viktor Yara Yusuf Zoe"
).split()

_ONSETS = "b c d f g h j k l m n p r s t v w z b d f g l m n r s t br ch dr fr gr pl pr qu sh st th tr".split()
_VOWELS = "a e i o u a e i o u a e i o u ai ea ee io ou".split()
_CODAS = [*[""] * 12, *"l m n r s t n r s".split(), "nd", "nt", "ng", "st", "ck", "ll"]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ACCENTED = "éüñçöåßèøžčи中日€£×→°"  # noqa: RUF001


def syllables(rng: Random, fewest: int = 1, most: int = 2) -> str:
    """An invented lower-case word, for instance ``brotaisk``."""
    count = rng.randint(fewest, most)
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count))


def characters(rng: Random, fewest: int = 1, most: int = 8) -> str:
    """Random letters and digits of both cases, for instance ``x7Qe``."""
    return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(fewest, most)))


def number(rng: Random) -> str:
    """A number in one of the usual forms: plain, a price, a date, a time, a percentage, numbered."""
    n, small = rng.randint(0, 10 ** rng.randint(1, 5)), rng.randint(1, 28)
    return rng.choice(
        [
            str(n),
            str(n),
            f"${n}",
            f"{n}.{small:02}",
            f"#{n}",
            f"{small:02}/{rng.randint(1, 12):02}/{rng.randint(1990, 2039)}",
            f"{rng.randint(0, 23)}:{small:02}",
            f"{n}%",
            f"{n},{rng.randint(100, 999)}",
            f"-{n}",
            f"{n} {rng.choice(COMMON)}",
        ]
    )


def word(rng: Random) -> str:
    """One word: common, invented, a name, or random characters; sometimes capitalised or with an unusual letter."""
    kind = rng.random()
    if kind < 0.4:
        text = rng.choice(COMMON)
    elif kind < 0.75:
        text = syllables(rng)
    elif kind < 0.82:
        return rng.choice(NAMES)
    elif kind < 0.95:
        return characters(rng)
    else:
        return number(rng)
    case = rng.random()
    if case < 0.02:
        return text[:1] + rng.choice(_ACCENTED) + text[1:]
    return text if case < 0.55 else text.capitalize() if case < 0.92 else text.upper()


def phrase(rng: Random, fewest: int = 1, most: int = 3) -> str:
    """A few words, sometimes joined or ended by punctuation."""
    words = [word(rng) for _ in range(rng.randint(fewest, most))]
    if len(words) > 1 and rng.random() < 0.15:
        return rng.choice(["-", "_", " & ", ", ", "/", ".", "'", ": ", " #"]).join(words)
    return " ".join(words)


def sentence(rng: Random, fewest: int = 2, most: int = 6) -> str:
    """Running text with capitals, commas and full stops, mostly of invented words."""
    words = [rng.choice(COMMON) if rng.random() < 0.3 else syllables(rng) for _ in range(rng.randint(fewest, most))]
    text = "".join(each + rng.choice([" ", " ", " ", " ", " ", ", ", ". "]) for each in words).strip(" ,.")
    text = ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))
    return text + rng.choice([".", ".", "", ":"])


def typed(rng: Random) -> str:
    """A text to type: one or more words, a name, a number, an e-mail address, a code."""
    kind = rng.random()
    if kind < 0.3:
        return word(rng)
    if kind < 0.5:
        return phrase(rng, 2, 4)
    if kind < 0.65:
        return number(rng)
    if kind < 0.8:
        return rng.choice(NAMES) + rng.choice(["", "", " " + syllables(rng).capitalize()])
    if kind < 0.9:
        first, dot, second, host = syllables(rng), rng.choice(["", ".", "_"]), word(rng).lower(), syllables(rng)
        return f"{first}{dot}{second}@{host}.{rng.choice(['com', 'org', 'net'])}"
    return characters(rng, 2, 10)
