"""The words that shoppers use for attributes and their values, in English, Korean and Chinese.

``amgan.spelling`` holds spellings of one value, which labels of a catalogue may have too; here are the looser words of
people who describe what they want. Phrases are parted by commas, hyphens are spaces, and a ``~`` marks what only comes
near: "scarlet" is taken as red, and the shopper is told.
"""

from __future__ import annotations

# What an attribute itself is called.
ATTRIBUTES = {
    "sleeve": "sleeve, sleeves, sleeve length, arms, 소매, 소매길이, 소매 길이, 袖, 袖子, 袖长, 袖長, 衣袖",
    "color": "color, colour, colors, colours, shade, 색, 색상, 색깔, 컬러, 颜色, 顏色, 色",
    "collar": "collar, neck, neckline, 깃, 칼라, 카라, 넥, 넥라인, 领, 領, 领子, 領子, 领口, 領口, 衣领, 衣領",
    "fastening": "fastening, closure, fastener, 여밈, 잠금, 门襟, 門襟, 开襟, 闭合",
    "pattern": "pattern, design, motif, 무늬, 패턴, 图案, 圖案, 花纹, 花紋",
    "fabric": "fabric, material, cloth, 소재, 원단, 面料, 布料, 材质, 材質",
}

# The rest of a garment, where sleeves and torso are told apart.
TORSO = "torso, body, bodice, 몸통, 몸판, 바디, 衣身, 大身, 身体部分"

# What each value of Shopping100k and of the shipped weights is called.
VALUES = {
    "sleeve": {
        "strapless": "strapless, 어깨끈 없는, 스트랩리스, 抹胸, 无肩带, 無肩帶",
        "spaghetti": (
            "spaghetti, spaghetti strap, spaghetti straps, thin straps, 끈나시, 스파게티 끈, 吊带, 吊帶, 细肩带"
        ),
        "sleeveless": (
            "sleeveless, no sleeve, no sleeves, without sleeves, tank, tank top, 민소매, 나시, 소매 없는, 소매 없이, "
            "无袖, 無袖, 没有袖子, 沒有袖子, 背心"
        ),
        "extra short": (
            "extra short, extra short sleeve, extra short sleeves, cap sleeve, cap sleeves, cap sleeved, "
            "very short sleeves, 캡소매, 아주 짧은 소매, 超短袖, 小盖袖"
        ),
        "short": (
            "short, short sleeve, short sleeves, short sleeved, ~shorter, ~shorter sleeves, ~shorter sleeve, 반팔, "
            "반소매, 짧은소매, 짧은 소매, 소매 짧게, 소매를 짧게, 숏슬리브, 짧은, 짧게, 短袖, 短袖子, 袖子短, "
            "~袖子短一点"
        ),
        "elbow": (
            "elbow, elbow sleeve, elbow sleeves, elbow length, elbow length sleeves, half sleeve, half sleeves, 5부, "
            "5부 소매, 오부, 팔꿈치 길이, 五分袖, 中袖, 半袖"
        ),
        "3/4": (
            "3/4, 3/4 sleeve, 3/4 sleeves, 3/4 sleeved, three quarter, three quarters, three quarter sleeve, "
            "three quarter sleeves, three quarter sleeved, bracelet sleeves, 7부, 7부 소매, 칠부, 칠부 소매, 七分袖, "
            "7分袖"
        ),
        "long": (
            "long, long sleeve, long sleeves, long sleeved, ~longer, ~longer sleeves, ~longer sleeve, full sleeve, "
            "full sleeves, 긴팔, 긴소매, 긴 소매, 소매 길게, 소매를 길게, 롱슬리브, 긴, 길게, 长袖, 長袖, 长袖子, "
            "長袖子, 袖子长, ~袖子长一点"
        ),
        "extra long": (
            "extra long, extra long sleeve, extra long sleeves, very long sleeves, 아주 긴 소매, 超长袖, 超長袖"
        ),
    },
    "color": {
        "maroon": (
            "maroon, burgundy, wine, wine red, dark red, deep red, bordeaux, oxblood, 버건디, 와인색, 자주, 자주색, "
            "마룬, 진한 빨강, 진한 빨간색, 酒红, 酒红色, 酒紅, 酒紅色, 深红, 深红色, 深紅, 深紅色, 暗红, 暗红色, "
            "枣红, 枣红色"
        ),
        "black": "black, ~jet, 검정, 검정색, 검은, 검은색, 까만, 까만색, 블랙, 黑, 黑色",
        "white": (
            "white, ~ivory, ~off white, 흰, 흰색, 하얀, 하얀색, 하양, 화이트, ~아이보리, 白, 白色, ~米白, ~米白色"
        ),
        "charcoal": (
            "charcoal, dark gray, dark grey, ~anthracite, 차콜, 진회색, 먹색, 진한 회색, 짙은 회색, 炭灰, 炭灰色, "
            "深灰, 深灰色"
        ),
        "gray": "gray, grey, ~silver, ~ash, 회색, 그레이, 쥐색, ~은색, 灰, 灰色, ~银色, ~银灰",
        "indigo": "indigo, 인디고, 쪽빛, 靛蓝, 靛藍, 靛青, 靛色",
        "navy": (
            "navy, navy blue, dark blue, deep blue, ~midnight blue, 네이비, 남색, 곤색, 감색, 진한 파랑, 藏青, "
            "藏青色, 藏蓝, 藏蓝色, 藏藍, 海军蓝, 海軍藍, 深蓝, 深蓝色, 深藍, 深藍色"
        ),
        "light blue": (
            "light blue, pale blue, baby blue, sky blue, 하늘색, 하늘, 연한 파랑, 연하늘, 스카이블루, 浅蓝, 浅蓝色, "
            "淺藍, 淺藍色, 淡蓝, 淡蓝色, 天蓝, 天蓝色, 天藍"
        ),
        "blue": (
            "blue, ~royal blue, ~cobalt, ~denim blue, ~turquoise, ~teal, 파랑, 파란, 파란색, 파랑색, 푸른, 블루, "
            "~청록색, 蓝, 蓝色, 藍, 藍色, ~宝蓝, ~宝蓝色"
        ),
        "red": "red, ~scarlet, ~crimson, ~brick, 빨강, 빨간, 빨간색, 빨강색, 붉은, 레드, 红, 红色, 紅, 紅色, 大红",
        "pink": (
            "pink, ~rose, ~fuchsia, ~magenta, ~salmon, 분홍, 분홍색, 핑크, 핑크색, 粉, 粉色, 粉红, 粉红色, 粉紅, 粉紅色"
        ),
        "purple": "purple, violet, ~lilac, ~lavender, ~plum, 보라, 보라색, 퍼플, ~라벤더, 紫, 紫色, ~淡紫, ~淡紫色",
        "olive": (
            "olive, olive green, khaki, ~army green, 올리브, 올리브색, 카키, 카키색, 국방색, 橄榄, 橄榄色, 橄榄绿, "
            "橄欖綠, 军绿, 军绿色, 卡其绿"
        ),
        "green": "green, ~mint, ~emerald, ~lime, 초록, 초록색, 녹색, 그린, ~민트, 绿, 绿色, 綠, 綠色, ~墨绿, ~墨绿色",
        "yellow": (
            "yellow, ~mustard, ~gold, ~lemon, 노랑, 노란, 노란색, 노랑색, 옐로우, 옐로, ~겨자색, 黄, 黄色, 黃, 黃色, "
            "~金色"
        ),
        "orange": "orange, ~rust, ~peach, ~coral, 주황, 주황색, 오렌지, 오렌지색, 橙, 橙色, 橘色, 橘黄色, ~橘红色",
        "beige": (
            "beige, cream, ~sand, ~tan, ~nude, ~camel, 베이지, 베이지색, 크림색, 米色, 米黄, 米黄色, 杏色, ~卡其, "
            "~卡其色"
        ),
        "brown": "brown, ~chocolate, ~coffee, ~mocha, 갈색, 브라운, 밤색, ~초콜릿색, 棕, 棕色, 褐色, 咖啡色, ~咖色",
        "multi": (
            "multi, multicolour, multicolor, multicoloured, multicolored, rainbow, 여러 색, 멀티, 멀티컬러, 彩色, 多色"
        ),
    },
    "collar": {
        "hood": "hood, hooded, with hood, 후드, 모자, 兜帽, 连帽, 連帽, 帽子, 帽",
        "v-neck": (
            "v neck, v necked, v neckline, v collar, vneck, 브이넥, 브이 넥, v넥, v领, v領, v字领, v字領, 鸡心领"
        ),
        "round": (
            "round, round neck, round collar, crew neck, crew, crewneck, ~scoop neck, 라운드넥, 라운드, 라운드 넥, "
            "크루넥, 圆领, 圓領"
        ),
        "polo": "polo, polo collar, polo neck, 폴로넥, 폴로 칼라, 폴로 카라, polo领, 马球领",
        "high": (
            "high, high neck, high collar, turtleneck, turtle neck, roll neck, mock neck, funnel neck, 하이넥, "
            "터틀넥, 폴라, 목폴라, 목티, 高领, 高領"
        ),
        "mandarin": (
            "mandarin, mandarin collar, stand up collar, band collar, grandad collar, nehru collar, 차이나 칼라, "
            "차이나칼라, 차이나카라, 밴드칼라, 立领, 立領, 中式领"
        ),
        "shirt": "shirt collar, button down collar, 셔츠 칼라, 셔츠칼라, 셔츠카라, 셔츠 카라, 衬衫领, 襯衫領",
        "lapel": "lapel, lapels, lapel collar, notched collar, 라펠, 翻领, 翻領, 西装领, 西裝領",
        "shawl": "shawl, shawl collar, 숄칼라, 숄카라, 숄 칼라, 青果领, 披肩领",
        "cutaway": "cutaway, cutaway collar, cut away collar, spread collar, ~wide collar, 와이드 칼라, 宽角领",
        "peter pan": "peter pan, peter pan collar, 피터팬 칼라, 피터팬카라, 小圆领, 娃娃领",
        "volant": "volant, ~ruffle collar, ~ruffled collar, ~frill collar, 프릴 칼라, 荷叶领, 花边领",
    },
    "fastening": {
        "zip": "zip, zips, zipper, zip up, zipped, zippered, full zip, 지퍼, 집업, 拉链, 拉鏈",
        "button": "button, buttons, buttoned, button up, button front, 단추, 버튼, 扣子, 纽扣, 鈕扣, 钮扣, 系扣",
        "laces": "laces, lace up, laced, drawstring, 끈, 레이스업, 系带, 繫帶, 绑带",
        "belt": "belt, belted, with a belt, 벨트, 허리띠, 腰带, 腰帶",
        "covered": (
            "covered placket, covered buttons, hidden buttons, concealed buttons, 히든 버튼, 히든 단추, 暗扣, 暗门襟"
        ),
        "front": "front fastening, front closure, 앞여밈, 앞 여밈, 前开襟, 前襟",
        "no closure": "no closure, no fastening, without closure, slip on, 여밈 없는, 여밈 없이",
    },
    "pattern": {
        "plain": (
            "plain, solid, ~unprinted, patternless, no pattern, no print, 무지, 민무늬, 단색, 무늬 없는, 무늬 없이, "
            "纯色, 純色, 素色, 无图案, 無圖案"
        ),
        "striped": "striped, stripes, stripe, stripy, stripey, 줄무늬, 스트라이프, 条纹, 條紋",
        "pinstriped": "pinstriped, pinstripe, pinstripes, pin stripes, 핀스트라이프, 细条纹, 細條紋",
        "checked": (
            "checked, check, checks, checkered, chequered, plaid, tartan, gingham, 체크, 체크무늬, 격자, 격자무늬, "
            "格子, 格纹, 格紋, 方格"
        ),
        "floral": "floral, flowers, flower, flowery, flowered, 꽃무늬, 플로럴, 꽃, 花朵, 碎花, 印花花朵, 花卉",
        "polka dot": (
            "polka dot, polka dots, dots, dotted, dotty, spots, spotted, 물방울, 물방울무늬, 도트, 땡땡이, 波点, "
            "波點, 圆点, 圓點"
        ),
        "print": "print, printed, prints, graphic, logo, 프린트, 프린팅, 그래픽, 로고, 印花, 印图",
        "animal": (
            "animal, animal print, leopard, leopard print, zebra, snake print, 애니멀, 호피, 호피무늬, 레오파드, "
            "动物纹, 動物紋, 豹纹, 豹紋"
        ),
        "camouflage": "camouflage, camo, 카모플라주, 카모, 밀리터리 무늬, 迷彩",
        "herringbone": "herringbone, 헤링본, 人字纹, 人字紋",
        "paisley": "paisley, 페이즐리, 佩斯利, 腰果花",
        "marl": "marl, marled, heather, heathered, melange, 멜란지, 麻灰, 混色纹",
        "colour gradient": "colour gradient, color gradient, gradient, ombre, dip dye, 그라데이션, 渐变, 漸變",
        "colourful": "colourful, colorful, 알록달록, 컬러풀, 五彩, 多彩",
        "photo": "photo print, photographic print, 사진 프린트, 照片印花",
    },
}

# Where a schema lacks a value, what comes nearest to it, in order.
NEAREST = {
    "sleeve": {
        "strapless": ("spaghetti", "sleeveless"),
        "spaghetti": ("strapless", "sleeveless"),
        "extra short": ("short",),
        "elbow": ("short", "3/4"),
        "3/4": ("elbow", "long"),
        "extra long": ("long",),
    },
    "color": {
        "maroon": ("red",),
        "charcoal": ("gray",),
        "indigo": ("navy", "blue"),
        "navy": ("indigo", "blue"),
        "light blue": ("blue",),
        "olive": ("green",),
        "orange": (),
    },
    "collar": {"cutaway": ("shirt",), "mandarin": ("high",), "peter pan": ("shirt",)},
    "fastening": {"covered": ("button",)},
    "pattern": {
        "pinstriped": ("striped",),
        "animal": ("print",),
        "camouflage": ("print",),
        "paisley": ("print", "floral"),
        "photo": ("print",),
    },
}

# What a garment is without any of an attribute: "without the hood" is a round neck, "no stripes" plain cloth.
WITHOUT = {"sleeve": "sleeveless", "collar": "round", "fastening": "no closure", "pattern": "plain"}

# Words that are values only beside their attribute's name ("polo collar"): alone they name garments, or anything.
ONLY_BESIDE = frozenset({"shirt", "polo", "front", "covered", "photo", "high", "top", "tee", "yes", "no", "other"})

# Without an attribute's name these are values, but not before a garment: of a long dress nobody knows the sleeves.
NOT_OF_A_GARMENT = frozenset({"long", "short", "longer", "shorter", "긴", "짧은"})

SHADES = (
    "dark, darker, light, lighter, bright, brighter, pale, paler, deep, deeper, pastel, vivid, soft, neon, 진한, "
    "짙은, 연한, 밝은, 어두운, 深, 浅, 淺, 淡, 亮, 暗, 鲜"
)

# Grammar. Pre and post say on which side of the word the thing lies that it is about.
WITHOUT_PRE = "without, no, not, remove, lose, drop, take off, minus, 不要, 没有, 沒有, 无, 無"
WITHOUT_POST = "removed, 없이, 없는, 없게, 없앤, 없애고, 없애, 빼고, 빼줘, 빼, 뺀, 떼고, 떼, 제거하고, 제거"
WITHOUT_EITHER = "去掉, 去除, 拿掉, 删除, 刪除"
INSTEAD_PRE = "from, instead of, rather than, 不是, 而不是, 从, 從"
INSTEAD_POST = "대신에, 대신, 말고, 아니라, 아니고, 에서"
KEEP_PRE = "keep, keeping, leave, same, 保留, 保持, 同样的, 同樣的, 相同的, 같은"
KEEP_POST = "as it is, as they are, as is, unchanged, 그대로, 유지하고, 유지, 不变, 不變"
EXCEPT = "except, except for, except on, all but, everything but, apart from, but not on, 除了"
INTO = "in, into, to, as, make it, turn it, but, 换成, 換成, 改成, 改为, 改為, 变成, 變成, 做成, 换, 換"
BECOMES = ("as", "into", "make it", "turn it")  # before a garment: another garment is asked for
AND = "and, or, nor, plus, with, &, 和, 与, 與, 跟, 或"
GARMENTS = (
    "shirt, shirts, t shirt, t shirts, tshirt, tee, tees, top, tops, polo shirt, polo, hoodie, hoody, sweatshirt, "
    "sweater, jumper, jacket, blouse, dress, skirt, coat, cardigan, vest, garment, piece, item, thing, clothes, "
    "photo, picture, 티셔츠, 셔츠, 옷, 상의, 후드티, 원피스, 블라우스, 니트, 맨투맨, 자켓, 재킷, 코트, 衬衫, 襯衫, "
    "t恤, 上衣, 衣服, 卫衣, 衛衣, 外套, 裙子, 连衣裙, 連衣裙, 毛衣"
)
FILLERS = (
    "a, an, the, this, that, these, those, it, its, is, be, are, i, id, im, my, me, we, you, please, pls, thanks, "
    "thank, hi, hello, want, wanted, would, like, love, could, can, may, have, has, having, get, give, show, find, "
    "search, need, looking, look, make, made, change, changed, turn, go, let, lets, for, of, on, at, by, only, just, "
    "some, any, something, similar, similarly, kind, sort, style, version, too, also, now, then, so, more, very, "
    "bit, little, coloured, colored, all, over, one, ones, instead, different, them, there, here, again"
)
# What holds Korean and Chinese words together: dropped where nothing else is left between two that are understood.
PARTICLES = (
    "색으로, 색, 으로, 로, 을, 를, 이, 가, 은, 는, 의, 에, 만, 도, 좀, 해주세요, 해줘, 해, 주세요, 줘, 바꿔주세요, "
    "바꿔줘, 바꿔서, 바꿔, 바꾸고, 바꾼, 변경해줘, 변경해, 변경, 부탁드려요, 부탁해요, 부탁합니다, 부탁해, 부탁, "
    "원해요, 원해, 싶어요, 싶어, 찾아주세요, 찾아줘, 찾아, 보여주세요, 보여줘, 비슷한, 걸, 것, 거, 이거, 이것, 인데, "
    "이고, 고, 한, 하게, 하는, 하나, 그리고, 더, 이면서, 면서, 된, 되어, 있는, 달린, 와, 과, 하고, 이랑, 랑, 및, 티, "
    "입고, 부분, 전체, 的, 地, 了, 吧, 吗, 呢, 请, 請, 我, 要, 想, 给, 給, 帮, 幫, 把, 将, 將, 它, 这, 這, 那, 个, "
    "個, 件, 一样, 一樣, 同款, 款, 类似, 類似, 但, 是, 而且, 并且, 并, 也, 都, 再, 有, 带, 帶, 在, 上, 只, 部分, "
    "一点, 一點, 谢谢, 謝謝, 麻烦, 麻煩, 找, 看看, 变, 變, 改, 用, 成, 为, 為, 其他, 其它, 一, 色"
)
TARGET = ("색으로", "으로", "로")  # Korean: what stands before is what it shall become
