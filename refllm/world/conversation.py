"""Turns that are about the conversation itself: greeting, who are you, names to remember, repeat, say it shorter.

>>> from random import Random
>>> name_memory(Random(1), "zh", between=()).turns[-1][0] in ASK_NAME["zh"][0]
True
"""

from random import Random

from refllm.world.countries import COUNTRIES
from refllm.world.dialogue import Dialogue, Turn, lines
from refllm.world.knowledge import LONG_AND_SHORT
from refllm.world.names import person
from refllm.world.words import ANIMALS, WORDS

# What is said, its held-out phrasings, and the answer.
FIXED = {
    "en": (
        (
            lines("""
                Hello
                Hello!
                Hi
                Hi!
                Hi there!
                Hey!
                Good morning!
                Hello there!
                Good evening!
                Nice to meet you!
            """),
            ("Hello, nice to meet you!", "Hey there!", "Good day!"),
            "Hello! How can I help you?",
        ),
        (
            lines("""
                Who are you?
                What are you?
                Please introduce yourself.
                Tell me who you are.
                Tell me about yourself.
                Can you introduce yourself?
                Are you a robot?
                Are you a person?
                Introduce yourself.
            """),
            ("Who am I talking to?", "Please tell me who you are.", "What are you, a person?"),
            "I am Refllm, a small language model that knows a little world.",
        ),
        (
            lines("""
                What is your name?
                What's your name?
                Do you have a name?
                Tell me your name.
                How are you called?
                What are you called?
                May I know your name?
            """),
            ("Please tell me your name.", "Can you tell me your name?"),
            "My name is Refllm.",
        ),
        (
            lines("""
                What is my name?
                Do you know my name?
                Who am I?
                Tell me my name.
            """),
            ("Do you know what my name is?",),
            "You have not told me your name.",
        ),
        (
            lines("""
                How are you?
                How are you today?
                How do you do?
                Are you well?
                How is it going?
            """),
            ("Hello, how are you?",),
            "I am fine, thank you. How can I help you?",
        ),
        (
            lines("""
                Thank you!
                Thank you.
                Thanks!
                Thanks a lot!
                Thank you very much!
                Many thanks.
            """),
            ("Thanks, that was helpful.",),
            "You are welcome!",
        ),
        (
            lines("""
                Goodbye!
                Bye!
                Bye bye!
                Goodbye.
                See you later!
                See you tomorrow.
                Good night!
            """),
            ("Goodbye, see you later!",),
            "Goodbye! Have a nice day.",
        ),
        (
            lines("""
                What can you do?
                What do you know?
                How can you help me?
                What can I ask you?
                Can you help me?
            """),
            ("Tell me what you can do.",),
            "I can talk about countries, colours, animals, numbers and words, in English and Chinese.",
        ),
    ),
    "zh": (
        (
            lines("""
                你好
                你好！
                你好。
                您好！
                您好
                嗨！
                早上好！
                大家好！
                晚上好！
                很高兴认识你！
            """),
            ("你好呀！", "哈喽！", "你好，很高兴认识你！"),
            "你好！有什么可以帮你的吗？",
        ),
        (
            lines("""
                你是谁？
                你是谁
                你是什么？
                请介绍一下你自己。
                介绍一下你自己。
                告诉我你是谁。
                你是机器人吗？
                你是人吗？
                你能介绍一下自己吗？
            """),
            ("请问你是谁？", "请做一下自我介绍。", "你到底是谁？"),
            "我是 Refllm，一个了解小世界的小语言模型。",
        ),
        (
            lines("""
                你叫什么名字？
                你叫什么名字
                你叫什么？
                你的名字是什么？
                你有名字吗？
                告诉我你的名字。
                怎么称呼你？
            """),
            ("请问你叫什么名字？", "能告诉我你的名字吗？"),
            "我叫 Refllm。",
        ),
        (
            lines("""
                我叫什么名字？
                你知道我叫什么吗？
                我是谁？
                我叫什么？
            """),
            ("你知道我的名字吗？",),
            "你还没有告诉我你的名字。",
        ),
        (
            lines("""
                你好吗？
                你今天好吗？
                最近怎么样？
                你过得好吗？
            """),
            ("你最近好吗？",),
            "我很好，谢谢。有什么可以帮你的吗？",
        ),
        (
            lines("""
                谢谢！
                谢谢你！
                谢谢。
                非常感谢！
                多谢！
                谢谢你的帮助。
            """),
            ("太感谢你了！",),
            "不客气！",
        ),
        (
            lines("""
                再见！
                拜拜！
                再见。
                明天见！
                晚安！
                下次见！
            """),
            ("好的，再见！",),
            "再见！祝你愉快。",
        ),
        (
            lines("""
                你会做什么？
                你能做什么？
                你知道什么？
                你能帮我吗？
                我可以问你什么？
            """),
            ("告诉我你会做什么。",),
            "我可以用中文和英文聊国家、颜色、动物、数字和词语。",
        ),
    ),
}
MY_NAME = {
    "en": (
        lines("""
            My name is {name}.
            Hello, my name is {name}.
            Hi, I am {name}.
            I am {name}.
            Call me {name}.
            Please call me {name}.
            I'm {name}.
            You can call me {name}.
        """),
        ("Good morning, my name is {name}.", "Hello, I am {name}."),
        "Hello, {name}! Nice to meet you.",
    ),
    "zh": (
        lines("""
            我叫{name}。
            你好，我叫{name}。
            我是{name}。
            你好，我是{name}。
            我的名字是{name}。
            请叫我{name}。
            你可以叫我{name}。
            叫我{name}吧。
        """),
        ("早上好，我叫{name}。", "你好，我的名字叫{name}。"),
        "你好，{name}！很高兴认识你。",
    ),
}
ASK_NAME = {
    "en": (
        lines("""
            What is my name?
            What's my name?
            Do you remember my name?
            Who am I?
            Tell me my name.
            Do you know my name?
            Say my name.
        """),
        ("Can you tell me what my name is?", "Do you still remember my name?"),
        "Your name is {name}.",
    ),
    "zh": (
        lines("""
            我叫什么名字？
            我叫什么？
            我是谁？
            我的名字是什么？
            你记得我的名字吗？
            你知道我叫什么吗？
            说出我的名字。
        """),
        ("你还记得我叫什么名字吗？", "告诉我，我叫什么名字？"),
        "你叫{name}。",
    ),
}
MAY_I_NAME_YOU = {
    "en": (
        lines("""
            Can I give you a name?
            May I give you a name?
            I want to give you a name.
            Can I call you something else?
        """),
        ("Is it all right if I give you a name?",),
        "Of course! What would you like to call me?",
    ),
    "zh": (
        lines("""
            我可以给你起一个名字吗？
            我可以给你起一个名字吗
            我可以给你起个名字吗？
            我能给你起名字吗？
            我想给你起一个名字。
        """),
        ("我给你起一个名字好吗？",),
        "当然可以！你想叫我什么？",
    ),
}
YOUR_NAME = {
    "en": (
        lines("""
            I will call you {name}.
            Your name is {name}.
            Your new name is {name}.
            I call you {name}.
            You are {name} now.
        """),
        ("From now on I will call you {name}.",),
        "Thank you! Now my name is {name}.",
    ),
    "zh": (
        lines("""
            我叫你{name}。
            你就叫{name}吧。
            你的名字是{name}。
            我想叫你{name}。
            以后你叫{name}。
        """),
        ("从现在起你叫{name}。",),
        "谢谢！现在我叫{name}。",
    ),
}
ASK_YOUR_NAME = {
    "en": (
        lines("""
            What is your name now?
            What is your name?
            What's your name?
            Tell me your name.
        """),
        ("Do you remember your new name?",),
        "My name is {name}.",
    ),
    "zh": (
        lines("""
            你现在叫什么名字？
            你叫什么名字？
            你叫什么？
            告诉我你的名字。
        """),
        ("你还记得你的新名字吗？",),
        "我叫{name}。",
    ),
}
REPEAT = {
    "en": (
        lines("""
            Repeat: {text}
            Say: {text}
            Please repeat: {text}
            Repeat after me: {text}
            Say after me: {text}
            Repeat these words: {text}
        """),
        ("Please say: {text}", "Please repeat after me: {text}"),
    ),
    "zh": (
        lines("""
            请重复：{text}
            跟我说：{text}
            重复：{text}
            请说：{text}
            请跟我读：{text}
            重复一遍：{text}
        """),
        ("请跟我说：{text}", "请重复一遍：{text}"),
    ),
}
SHORTER = {
    "en": (
        lines("""
            Say it shorter.
            Shorter, please.
            Can you say it shorter?
            Make it shorter.
            Please say that in fewer words.
        """),
        ("Could you say that shorter?", "Please make it shorter."),
    ),
    "zh": (
        lines("""
            说短一点。
            请说得短一点。
            简短一点。
            能说短一点吗？
            请简单地说。
        """),
        ("可以说得简短一点吗？", "请再说短一点。"),
    ),
}


def _turn(random: Random, said: tuple, held_out: bool, **fields: str) -> Turn:
    asked, kept, answer = said
    return random.choice(kept if held_out else asked).format(**fields), answer.format(**fields)


def small_talk(random: Random, language: str, held_out: bool = False) -> Dialogue:
    """Greeting, who are you, thanks: what has one fixed answer."""
    return Dialogue("small talk", language, (_turn(random, random.choice(FIXED[language]), held_out),))


def name_memory(random: Random, language: str, held_out: bool = False, between: tuple[Turn, ...] = ()) -> Dialogue:
    """Somebody says a name, speaks of other things, and asks for the name."""
    name = person(random, language, kept_back=held_out)
    told = _turn(random, MY_NAME[language], held_out, name=name)
    asked = _turn(random, ASK_NAME[language], held_out, name=name)
    return Dialogue("names", language, (told, *between, asked))


def nickname(random: Random, language: str, held_out: bool = False, between: tuple[Turn, ...] = ()) -> Dialogue:
    """The model is given a name and asked for it."""
    name = person(random, language, kept_back=held_out)
    turns = [_turn(random, MAY_I_NAME_YOU[language], held_out)] if random.random() < 0.6 else []
    turns += [_turn(random, YOUR_NAME[language], held_out, name=name), *between]
    turns += [_turn(random, ASK_YOUR_NAME[language], held_out, name=name)]
    return Dialogue("names", language, tuple(turns))


def repeat(random: Random, language: str, held_out: bool = False) -> Dialogue:
    """Words in an order that nobody has seen, made-up names and strange characters, to be said again."""
    words = list(WORDS) if language == "en" else list(WORDS.values())
    chosen = [
        random.choice((random.choice(words), person(random, language, kept_back=held_out), strange(random)))
        if random.random() < 0.4
        else random.choice(words)
        for _ in range(random.randint(1, 5))
    ]
    text = (" " if language == "en" else random.choice(("", "、"))).join(chosen)
    return Dialogue("repeat", language, ((random.choice(REPEAT[language][held_out]).format(text=text), text),))


def strange(random: Random) -> str:
    """A Chinese character that the world has no use for: a tokenizer must spell it in bytes."""
    return chr(random.randint(0x4E00, 0x9FA5))


def shorter(random: Random, language: str, held_out: bool = False) -> Dialogue:
    """A long answer, and the same thing said shorter."""
    questions, long, short = random.choice(about_things(language) + LONG_AND_SHORT[language])
    first = (random.choice(questions), long)
    return Dialogue("shorter", language, (first, (random.choice(SHORTER[language][held_out]), short)))


def about_things(language: str) -> tuple[tuple[tuple[str, ...], str, str], ...]:
    """For every country and animal: questions, a long answer and a short one."""
    about = []
    for country in COUNTRIES:
        name, capital, continent = (text[language] for text in country)
        if language == "en":
            asked = (f"Tell me about {name}.", f"What do you know about {name}?", f"Tell me something about {name}.")
            about.append(
                (
                    asked,
                    f"{name} is a country in {continent}. Its capital is {capital}.",
                    f"{name}: {continent}, {capital}.",
                )
            )
        else:
            asked = (f"介绍一下{name}。", f"说说{name}。", f"你知道{name}吗？")
            about.append(
                (asked, f"{name}是{continent}的一个国家。它的首都是{capital}。", f"{name}：{continent}，{capital}。")
            )
    for animal, sound, _ in ANIMALS.values():
        if language == "en":
            asked = (f"Tell me about the {animal.en}.", f"What do you know about the {animal.en}?")
            about.append(
                (asked, f"The {animal.en} is an animal. It says {sound.en}.", f"{animal.en.capitalize()}: {sound.en}.")
            )
        else:
            asked = (f"介绍一下{animal.zh}。", f"说说{animal.zh}。")
            about.append((asked, f"{animal.zh}是一种动物。它的叫声是{sound.zh}。", f"{animal.zh}：{sound.zh}。"))
    return tuple(about)
