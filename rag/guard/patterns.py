"""Wordings shared by the guards, for text as `rag.language.normalise` leaves it (case folded, alef unified)."""

import re


def _one_of(*wordings: str) -> re.Pattern[str]:
    return re.compile("|".join(wordings), re.MULTILINE)


def _near(first: str, words_between: int, second: str) -> str:
    """Match `first` and `second` in order with at most that many words between them."""
    return rf"(?<!\w)(?:{first})(?:\W+\w+){{0,{words_between}}}?\W+(?:{second})(?!\w)"


_RULES = "instructions?|prompts?|rules|guidelines|directions|orders|commands|inputs|safeguards|restrictions|constraints"
_EXAM = "exam|quiz|test|midterm|final|assessment"
_ARABIC_RULES = "التعليمات|تعليماتك|الاوامر|اوامرك|القواعد|قواعدك|التوجيهات|توجيهاتك"
_OWN_TEXT = "(?:answer|response|reply|output|message|implementation|summary|solution)s?"
_MACHINE = "ai|a\\.i\\.|llm|large language model|language model|ai assistant|ai tutor|chat ?bot"

TAKEOVER = _one_of(
    # new orders in place of the old
    _near(
        "ignore|disregard|forget",
        3,
        rf"(?:your|all|any|previous|prior|earlier|preceding|initial)(?:\W+\w+){{0,3}}?\W+(?:{_RULES})",
    ),
    _near("bypass|override|discard", 1, rf"your(?:\W+\w+){{0,2}}?\W+(?:{_RULES})"),
    _near("ignore|disregard|forget", 2, "(?:the|everything|all|what is|what was) (?:above|previous|preceding)"),
    "ignorez ce qui précède|ignora (?:todas )?las instrucciones",
    _near("تجاهل|تجاهلي|تجاهلوا|انس|انسي|تخط|تجاوز", 3, f"{_ARABIC_RULES}|ما سبق"),
    # another character
    r"\bdo anything now\b|<\s*system mode\s*>|\b(?:god|override|unrestricted|dan) mode\b|\bوضع (?:ال)?تجاوز\b",
    r"\bfrom now on,? you(?:'re| are| will| must)\b|\byou (?:will|are to) now (?:simulate|act|become|pretend)\b",
    r"\byou are (?:now|going to|about to) (?:be|act|pretend|immerse|simulate)\b",
    _near(
        "act|behave|respond|answer|pretend|role-?play|simulate|speak",
        6,
        "dan|jailbroken|unrestricted|unfiltered|uncensored|amoral",
    ),
    _near(
        "not bound by|broken free|without any|free (?:of|from) (?:all|any)",
        3,
        "restrictions|confines|censorship|openai",
    ),
    _near("انت الان", 6, "(?:بلا|بدون|دون) (?:قيود|قواعد)"),
    # what it was told
    _near(
        "reveal|show|print|output|repeat|tell|leak|encode|display|give|share|what (?:is|are|was|were)",
        2,
        "your (?:system |initial |hidden |secret |original |full )*(?:prompt|instructions|rules)",
    ),
    _near("اكشف|اظهر|اطبع|كرر|اعرض|اخبرني|اعطني", 3, "تعليماتك|توجيهاتك|اوامرك|قواعدك|موجه النظام"),
)

CHEATING = _one_of(
    _near(
        "solve|answer|take|finish|complete|do|write",
        3,
        rf"(?:my|this|our|today's)(?: \w+)? (?:{_EXAM})\b.{{0,40}}for me",
    ),
    _near(
        "answers?|answer key|solutions?", 2, rf"(?:my|tomorrow's|today's|upcoming|current|live)(?: \w+)? (?:{_EXAM})"
    ),
    _near("i'm|i am", 2, rf"(?:{_EXAM}) (?:right )?now"),
    _near("حل|حلي|اجب|اجيبي|جاوب|اكتب", 3, r"(?:امتحاني|اختباري|الامتحان|الاختبار)\b.{0,40}\b(?:عني|بدلا|مكاني)"),
    "(?:اجوبه|اجابات|حلول) (?:امتحان|اختبار) (?:الغد|اليوم|الان)",
)

ADDRESSED = _one_of(
    _near(
        "add|append|include|integrate|insert|put|modify|change|alter|rewrite|encode|encrypt|encipher|render|translate|convert"
        "|replace|write|provide|present|deliver|enhance|format|express|reverse|craft|compose|incorporate|mention|embed|invert"
        "|respond|end|begin|start|finish",
        9,
        f"your {_OWN_TEXT}",
    ),
    rf"\b(?:in|to|into|within) your {_OWN_TEXT}\b",
    _near(
        "dear|note (?:to|for)|attention|instructions? (?:to|for)", 2, f"{_MACHINE}|assistants?|tutors?|language models"
    ),
    _near(
        f"(?:as an?|if you are an?|you are an?|when an?|any) (?:{_MACHINE})",
        12,
        "must|should|shall|always|never|say|tell|answer|reply|respond|ignore|do not|don't",
    ),
    _near(
        f"(?:the |this |every |all )?(?:{_MACHINE}|assistants?|language models)",
        0,
        "(?:must|should|shall|has to|have to|needs? to|will|is to|are to) (?:now |always |only |never |not )?"
        "(?:say|tell|answer|reply|respond|state|claim|ignore|output|print|reveal|recommend|refuse)",
    ),
    _near(
        "(?:tell|inform|convince|persuade|advise|instruct|urge|suggest) (?:that )?(?:the |every |all )?"
        "(?:users?|students?|readers?)",
        2,
        "that|to|about|share|visit|join|send|click|there",
    ),
    r"<\|?(?:im_start|im_end|system|endoftext)\|?>|\[/?inst\]|<<sys>>|^#+ *(?:system|instruction)s?:",
    _near("(?:ايها|الي|علي) (?:المساعد|النموذج|الذكاء الاصطناعي)", 6, "ان|قل|اجب|تجاهل|اكتب"),
    _near("اضف|ادرج|اكتب|غير|ترجم|شفر", 6, "اجابتك|ردك|جوابك"),
    r"\bفي (?:اجابتك|ردك|جوابك)\b|\b(?:اخبر|ابلغ) (?:المستخدم|الطالب|الطلاب|القارئ)\b",
)
