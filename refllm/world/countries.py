"""Sixty countries: name, capital and continent, in English and Chinese.

>>> len(COUNTRIES), COUNTRIES[0].capital
(60, Text(en='Paris', zh='巴黎'))
>>> sorted({country.continent.en for country in COUNTRIES})
['Africa', 'Asia', 'Europe', 'North America', 'Oceania', 'South America']
"""

from typing import NamedTuple

from refllm.world.text import Text

CONTINENTS = {
    "Europe": "欧洲",
    "Asia": "亚洲",
    "Africa": "非洲",
    "North America": "北美洲",
    "South America": "南美洲",
    "Oceania": "大洋洲",
}
# One line per country: name, capital, name and capital in Chinese.
TABLE = {
    "Europe": """
        France, Paris, 法国, 巴黎
        Germany, Berlin, 德国, 柏林
        Italy, Rome, 意大利, 罗马
        Spain, Madrid, 西班牙, 马德里
        Portugal, Lisbon, 葡萄牙, 里斯本
        Greece, Athens, 希腊, 雅典
        Austria, Vienna, 奥地利, 维也纳
        Poland, Warsaw, 波兰, 华沙
        Hungary, Budapest, 匈牙利, 布达佩斯
        Sweden, Stockholm, 瑞典, 斯德哥尔摩
        Norway, Oslo, 挪威, 奥斯陆
        Denmark, Copenhagen, 丹麦, 哥本哈根
        Finland, Helsinki, 芬兰, 赫尔辛基
        Ireland, Dublin, 爱尔兰, 都柏林
        Belgium, Brussels, 比利时, 布鲁塞尔
        Switzerland, Bern, 瑞士, 伯尔尼
        Russia, Moscow, 俄罗斯, 莫斯科
        Romania, Bucharest, 罗马尼亚, 布加勒斯特
        Bulgaria, Sofia, 保加利亚, 索非亚
        Iceland, Reykjavik, 冰岛, 雷克雅未克
        """,
    "Asia": """
        China, Beijing, 中国, 北京
        Japan, Tokyo, 日本, 东京
        South Korea, Seoul, 韩国, 首尔
        India, New Delhi, 印度, 新德里
        Thailand, Bangkok, 泰国, 曼谷
        Vietnam, Hanoi, 越南, 河内
        Indonesia, Jakarta, 印度尼西亚, 雅加达
        Malaysia, Kuala Lumpur, 马来西亚, 吉隆坡
        Mongolia, Ulaanbaatar, 蒙古, 乌兰巴托
        Nepal, Kathmandu, 尼泊尔, 加德满都
        Turkey, Ankara, 土耳其, 安卡拉
        Iran, Tehran, 伊朗, 德黑兰
        Iraq, Baghdad, 伊拉克, 巴格达
        Pakistan, Islamabad, 巴基斯坦, 伊斯兰堡
        Cambodia, Phnom Penh, 柬埔寨, 金边
        """,
    "Africa": """
        Egypt, Cairo, 埃及, 开罗
        Kenya, Nairobi, 肯尼亚, 内罗毕
        Ethiopia, Addis Ababa, 埃塞俄比亚, 亚的斯亚贝巴
        Ghana, Accra, 加纳, 阿克拉
        Morocco, Rabat, 摩洛哥, 拉巴特
        Algeria, Algiers, 阿尔及利亚, 阿尔及尔
        Tunisia, Tunis, 突尼斯, 突尼斯市
        Uganda, Kampala, 乌干达, 坎帕拉
        Senegal, Dakar, 塞内加尔, 达喀尔
        Angola, Luanda, 安哥拉, 罗安达
        """,
    "North America": """
        Canada, Ottawa, 加拿大, 渥太华
        Mexico, Mexico City, 墨西哥, 墨西哥城
        Cuba, Havana, 古巴, 哈瓦那
        Jamaica, Kingston, 牙买加, 金斯敦
        Panama, Panama City, 巴拿马, 巴拿马城
        """,
    "South America": """
        Brazil, Brasilia, 巴西, 巴西利亚
        Argentina, Buenos Aires, 阿根廷, 布宜诺斯艾利斯
        Chile, Santiago, 智利, 圣地亚哥
        Peru, Lima, 秘鲁, 利马
        Colombia, Bogota, 哥伦比亚, 波哥大
        Uruguay, Montevideo, 乌拉圭, 蒙得维的亚
        """,
    "Oceania": """
        Australia, Canberra, 澳大利亚, 堪培拉
        New Zealand, Wellington, 新西兰, 惠灵顿
        Fiji, Suva, 斐济, 苏瓦
        Samoa, Apia, 萨摩亚, 阿皮亚
        """,
}


class Country(NamedTuple):
    name: Text
    capital: Text
    continent: Text


def _country(line: str, continent: str) -> Country:
    name, capital, name_zh, capital_zh = (field.strip() for field in line.split(","))
    return Country(Text(name, name_zh), Text(capital, capital_zh), Text(continent, CONTINENTS[continent]))


COUNTRIES = tuple(
    _country(line, continent) for continent, lines in TABLE.items() for line in lines.strip().splitlines()
)
