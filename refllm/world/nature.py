"""Questions about colours, animals and opposites."""

from refllm.world.dialogue import Family, lines
from refllm.world.numerals import in_words
from refllm.world.words import ANIMALS, COLOUR_OF, COLOURED, COLOURS, OPPOSITES

UNIQUE = {"sky", "sea", "sun", "night"}
UNCOUNTED = {"grass", "snow", "milk", "coal", "blood", "rice", "chocolate", "corn", "earth"}


def with_article(noun: str) -> str:
    """The English name of a thing in a sentence.

    >>> with_article("sky"), with_article("snow"), with_article("elephant"), with_article("pig")
    ('the sky', 'snow', 'an elephant', 'a pig')
    """
    if noun in UNCOUNTED:
        return noun
    return ("the " if noun in UNIQUE else "an " if noun[0] in "aeiou" else "a ") + noun


COLOUR_FACTS = tuple(
    {"thing": with_article(thing), "thing_zh": COLOURED[thing], "colour": colour, "colour_zh": COLOURS[colour]}
    for thing, colour in COLOUR_OF.items()
)
ANIMAL_FACTS = tuple(
    {
        "animal": with_article(animal.en),
        "animal_zh": animal.zh,
        "sound": sound.en,
        "sound_zh": sound.zh,
        "legs": f"{in_words(legs, 'en')} legs" if legs else "no legs",
        "legs_zh": (f"有{'两' if legs == 2 else in_words(legs, 'zh')}条腿" if legs else "没有腿"),
    }
    for animal, sound, legs in ANIMALS.values()
)
OPPOSITE_FACTS = tuple(
    {"word": a.en, "opposite": b.en, "word_zh": a.zh, "opposite_zh": b.zh}
    for pair in OPPOSITES
    for a, b in (pair, pair[::-1])
)

FAMILIES = (
    Family(
        "colours",
        "en",
        COLOUR_FACTS,
        lines("""
            What colour is {thing}?
            What is the colour of {thing}?
            Which colour is {thing}?
            What color is {thing}?
            Tell me the colour of {thing}.
            Which colour does {thing} have?
            What colour has {thing}?
            Name the colour of {thing}.
            Can you tell me what colour {thing} is?
            {thing}: which colour?
        """),
        lines("""
            Do you know the colour of {thing}?
            What colour does {thing} have?
            Tell me what colour {thing} is.
        """),
        "{thing} is {colour}.",
    ),
    Family(
        "colours",
        "zh",
        COLOUR_FACTS,
        lines("""
            {thing_zh}是什么颜色的？
            {thing_zh}是什么颜色？
            {thing_zh}的颜色是什么？
            {thing_zh}是哪种颜色？
            告诉我{thing_zh}的颜色。
            {thing_zh}有什么颜色？
            我想知道{thing_zh}是什么颜色。
            说出{thing_zh}的颜色。
        """),
        lines("""
            你知道{thing_zh}是什么颜色吗？
            {thing_zh}的颜色是哪种？
            {thing_zh}是哪种颜色的？
        """),
        "{thing_zh}是{colour_zh}的。",
    ),
    Family(
        "animals",
        "en",
        ANIMAL_FACTS,
        lines("""
            What does {animal} say?
            What sound does {animal} make?
            Which sound does {animal} make?
            How does {animal} sound?
            What is the sound of {animal}?
            Tell me what {animal} says.
            What noise does {animal} make?
            Make the sound of {animal}.
            Can you tell me what sound {animal} makes?
        """),
        lines("""
            Do you know what {animal} says?
            Tell me what sound {animal} makes.
            Which noise does {animal} make?
        """),
        "{animal} says {sound}.",
    ),
    Family(
        "animals",
        "zh",
        ANIMAL_FACTS,
        lines("""
            {animal_zh}怎么叫？
            {animal_zh}是怎么叫的？
            {animal_zh}的叫声是什么？
            {animal_zh}发出什么声音？
            {animal_zh}的声音是什么？
            告诉我{animal_zh}怎么叫。
            {animal_zh}叫起来是什么声音？
            学一学{animal_zh}叫。
        """),
        lines("""
            你知道{animal_zh}怎么叫吗？
            {animal_zh}的叫声是什么样的？
            {animal_zh}会发出什么声音？
        """),
        "{animal_zh}的叫声是{sound_zh}。",
    ),
    Family(
        "animals",
        "en",
        ANIMAL_FACTS,
        lines("""
            How many legs does {animal} have?
            How many legs has {animal}?
            What is the number of legs of {animal}?
            Tell me how many legs {animal} has.
            Count the legs of {animal}.
            Can you tell me how many legs {animal} has?
        """),
        lines("""
            Do you know how many legs {animal} has?
            On how many legs does {animal} walk?
        """),
        "{animal} has {legs}.",
    ),
    Family(
        "animals",
        "zh",
        ANIMAL_FACTS,
        lines("""
            {animal_zh}有几条腿？
            {animal_zh}有多少条腿？
            {animal_zh}的腿有几条？
            告诉我{animal_zh}有几条腿。
            {animal_zh}几条腿？
        """),
        lines("""
            你知道{animal_zh}有几条腿吗？
            {animal_zh}一共有几条腿？
        """),
        "{animal_zh}{legs_zh}。",
    ),
    Family(
        "opposites",
        "en",
        OPPOSITE_FACTS,
        lines("""
            What is the opposite of {word}?
            What's the opposite of {word}?
            Tell me the opposite of {word}.
            Name the opposite of {word}.
            Give me the opposite of {word}.
            Which word is the opposite of {word}?
            What word means the opposite of {word}?
            {word}: what is the opposite?
            The opposite of {word}?
            Can you tell me the opposite of {word}?
        """),
        lines("""
            Do you know the opposite of {word}?
            Say the opposite of {word}.
            Which word means the opposite of {word}?
        """),
        "The opposite of {word} is {opposite}.",
    ),
    Family(
        "opposites",
        "zh",
        OPPOSITE_FACTS,
        lines("""
            “{word_zh}”的反义词是什么？
            {word_zh}的反义词是什么？
            “{word_zh}”的相反词是什么？
            “{word_zh}”反过来是什么？
            告诉我“{word_zh}”的反义词。
            说出“{word_zh}”的反义词。
            和“{word_zh}”相反的词是什么？
            我想知道“{word_zh}”的反义词。
        """),
        lines("""
            你知道“{word_zh}”的反义词吗？
            “{word_zh}”的反义词是哪个词？
            说出和“{word_zh}”相反的词。
        """),
        "“{word_zh}”的反义词是“{opposite_zh}”。",
    ),
)
