"""Words too common to find anything by. Short lists: BM25's IDF does the rest."""

_ENGLISH = """
a about also an and any are as at be been being but by can could did do does for from had has have he her his how i if
in into is it its itself me my no not of on or our she should so some such than that the their them then there these
they this those to too us was we were what when where which who whom whose why will with would you your
"""
# In the spelling `normalise` gives, since that is what they are compared with.
_ARABIC = """
في من علي الي عن مع هذا هذه ذلك تلك التي الذي الذين اللذين اللتين هو هي هم هن نحن انا انت كان كانت يكون تكون ان انه انها
او ثم قد لقد لا لم لن ما ماذا متي اين كيف كم لماذا هل اي كل بعض بين حتي اذا حيث كما لكن ايضا عند عندما بعد قبل غير و يا
هنا هناك
"""
STOP_WORDS: frozenset[str] = frozenset((_ENGLISH + _ARABIC).split())
