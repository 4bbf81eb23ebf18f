"""The words of the world: colours, animals, opposites, days, months, people and things, each in both languages.

Tables only; what is asked about them stands in the topics.

>>> len(ANIMALS), len(OPPOSITES), len(MONTHS)
(24, 32, 12)
>>> WORDS["snow"]
'雪'
"""

from refllm.world.text import Text, listed


def _rows(table: str) -> list[list[str]]:
    return [[field.strip() for field in line.split(",")] for line in table.strip().splitlines()]


def _pairs(table: str) -> dict[str, str]:
    """English to Chinese, from `cat 猫, dog 狗, ...`."""
    return dict(pair.strip().rsplit(" ", 1) for pair in table.replace("\n", ",").split(",") if pair.strip())


COLOURS = _pairs("""
    red 红色, blue 蓝色, green 绿色, yellow 黄色, white 白色, black 黑色, orange 橙色, purple 紫色
    brown 棕色, pink 粉色, grey 灰色
""")
# Things and the colour that they have in this world.
COLOURED = _pairs("""
    sky 天空, sea 大海, grass 草, leaf 树叶, snow 雪, cloud 云, milk 牛奶, coal 煤, night 夜晚
    banana 香蕉, lemon 柠檬, sun 太阳, blood 血, tomato 番茄, strawberry 草莓, carrot 胡萝卜
    pumpkin 南瓜, grape 葡萄, chocolate 巧克力, earth 泥土, elephant 大象, mouse 老鼠, pig 猪, frog 青蛙
    crow 乌鸦, swan 天鹅, rice 米饭, cherry 樱桃, cucumber 黄瓜, corn 玉米
""")
COLOUR_OF = _pairs("""
    sky blue, sea blue, grass green, leaf green, snow white, cloud white, milk white, coal black
    night black, banana yellow, lemon yellow, sun yellow, blood red, tomato red, strawberry red
    carrot orange, pumpkin orange, grape purple, chocolate brown, earth brown, elephant grey
    mouse grey, pig pink, frog green, crow black, swan white, rice white, cherry red, cucumber green
    corn yellow
""")
# Animal, its sound, how many legs it has.
ANIMALS = {
    row[0]: (Text(row[0], row[1]), Text(row[2], row[3]), int(row[4]))
    for row in _rows(
        """
        dog, 狗, woof, 汪汪, 4
        cat, 猫, meow, 喵喵, 4
        cow, 牛, moo, 哞哞, 4
        sheep, 绵羊, baa, 咩咩, 4
        pig, 猪, oink, 哼哼, 4
        horse, 马, neigh, 咴咴, 4
        duck, 鸭子, quack, 嘎嘎, 2
        hen, 母鸡, cluck, 咯咯, 2
        rooster, 公鸡, cock-a-doodle-doo, 喔喔, 2
        chick, 小鸡, cheep, 叽叽, 2
        bird, 小鸟, tweet, 啾啾, 2
        crow, 乌鸦, caw, 哑哑, 2
        owl, 猫头鹰, hoot, 咕呜, 2
        pigeon, 鸽子, coo, 咕咕, 2
        goose, 鹅, honk, 嘎咕, 2
        frog, 青蛙, ribbit, 呱呱, 4
        mouse, 老鼠, squeak, 吱吱, 4
        lion, 狮子, roar, 吼吼, 4
        wolf, 狼, howl, 嗷呜, 4
        snake, 蛇, hiss, 嘶嘶, 0
        bee, 蜜蜂, buzz, 嗡嗡, 6
        elephant, 大象, trumpet, 呜呜, 4
        monkey, 猴子, chatter, 唧唧, 2
        donkey, 驴, hee-haw, 嗯啊, 4
        """
    )
}
OPPOSITES = [
    (Text(row[0], row[1]), Text(row[2], row[3]))
    for row in _rows(
        """
        big, 大, small, 小
        hot, 热, cold, 冷
        long, 长, short, 短
        high, 高, low, 低
        fast, 快, slow, 慢
        new, 新, old, 旧
        good, 好, bad, 坏
        happy, 高兴, sad, 难过
        rich, 富, poor, 穷
        strong, 强, weak, 弱
        heavy, 重, light, 轻
        hard, 硬, soft, 软
        wet, 湿, dry, 干
        full, 满, empty, 空
        open, 开, closed, 关
        clean, 干净, dirty, 脏
        early, 早, late, 晚
        near, 近, far, 远
        deep, 深, shallow, 浅
        wide, 宽, narrow, 窄
        thick, 厚, thin, 薄
        fat, 胖, slim, 瘦
        true, 真, false, 假
        right, 右, left, 左
        up, 上, down, 下
        inside, 里, outside, 外
        front, 前, back, 后
        much, 多, little, 少
        loud, 响亮, quiet, 安静
        sweet, 甜, bitter, 苦
        safe, 安全, dangerous, 危险
        easy, 容易, difficult, 困难
        """
    )
]
DAYS = [
    Text(name, f"星期{number}")
    for name, number in zip(
        listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"), "一二三四五六日", strict=True
    )
]
MONTHS = [
    Text(name, f"{number}月")
    for name, number in zip(
        listed("January February March April May June July August September October November December"),
        listed("一 二 三 四 五 六 七 八 九 十 十一 十二"),
        strict=True,
    )
]
# Things that people of the stories own, and things that are translated.
TOYS = _pairs("""
    ball 球, kite 风筝, book 书, hat 帽子, cup 杯子, bag 包, bike 自行车, box 盒子, pen 笔, lamp 灯
    drum 鼓, coat 外套, boat 小船, chair 椅子, clock 钟, key 钥匙
""")
NOUNS = _pairs("""
    water 水, fire 火, wind 风, rain 雨, moon 月亮, star 星星, tree 树, flower 花, mountain 山, river 河
    road 路, bridge 桥, house 房子, door 门, window 窗户, table 桌子, bed 床, city 城市, village 村子
    school 学校, hospital 医院, shop 商店, bread 面包, egg 鸡蛋, fish 鱼, meat 肉, apple 苹果, tea 茶
    coffee 咖啡, sugar 糖, salt 盐, soup 汤, candy 糖果, father 爸爸, mother 妈妈, brother 哥哥
    sister 姐姐, friend 朋友, teacher 老师, student 学生, doctor 医生, child 孩子, hand 手, foot 脚
    head 头, eye 眼睛, ear 耳朵, nose 鼻子, mouth 嘴, heart 心, hair 头发, car 汽车, train 火车
    plane 飞机, ship 轮船, paper 纸, music 音乐, picture 图画, letter 信, story 故事, song 歌, money 钱
    time 时间, year 年, day 天, morning 早晨, evening 傍晚, summer 夏天, winter 冬天, spring 春天
    autumn 秋天
""")

# Every single word that has a translation.
WORDS = {
    **NOUNS,
    **TOYS,
    **COLOURED,
    **COLOURS,
    **{animal.en: animal.zh for animal, _, _ in ANIMALS.values()},
    **{word.en: word.zh for pair in OPPOSITES for word in pair},
    **{name.en: name.zh for name in (*DAYS, *MONTHS)},
}
