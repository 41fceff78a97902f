"""The vocabulary of the reviews. Only words: how they are put together is `reviews.py`."""


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


ASPECTS = _words(
    "battery screen handle price sound picture software keyboard camera charger cable lid motor "
    "design colour fabric zip strap cushion blade display speaker button remote box manual "
    "delivery service support packaging finish weight size smell taste texture light filter "
    "heater hinge wheel frame"
)

ADJECTIVES = {
    True: _words(
        "good great excellent lovely superb solid reliable wonderful fantastic brilliant perfect "
        "pleasant impressive delightful sturdy handy elegant amazing splendid flawless charming "
        "neat comfortable gorgeous outstanding smooth"
    ),
    False: _words(
        "bad terrible awful horrible poor weak flimsy useless dreadful disappointing ugly broken "
        "annoying faulty clumsy shoddy dull cheap painful defective lousy sloppy unreliable "
        "miserable mediocre rough"
    ),
}
"""Adjectives by polarity: True is positive."""

VERBS = {
    True: (("love", "loved"), ("enjoy", "enjoyed"), ("like", "liked"), ("admire", "admired"),
           ("adore", "adored"), ("trust", "trusted")),
    False: (("hate", "hated"), ("regret", "regretted"), ("dislike", "disliked"),
            ("resent", "resented"), ("loathe", "loathed"), ("curse", "cursed")),
}  # fmt: skip
"""Verbs by polarity, as (base form, past form)."""

COPULAS = ("was", "is", "felt", "seemed", "looked")
DEGREES = ("", "", "", "really ", "quite ", "very ", "truly ", "simply ", "rather ")
SUBJECTS = ("I", "we", "my family", "everybody here", "the children")

PRODUCTS = _words(
    "kettle lamp tent phone laptop chair backpack blender radio watch drill printer jacket "
    "toaster bicycle helmet scooter guitar stove mixer vacuum sofa mattress umbrella"
)
PEOPLE = ("my sister", "my brother", "my mother", "a friend", "our office", "my neighbour", "myself")
TIMES = ("in March", "last week", "two months ago", "on Monday", "in the sale", "before the move",
         "last winter", "after the holidays", "in June", "yesterday")  # fmt: skip
OPENERS = ("Honestly,", "Well,", "So,", "To be fair,", "Okay,", "Short version:", "Update:", "Hm,",
           "As I said,", "Right,")  # fmt: skip
CHATTER = (
    "Bought this {product} {time}.",
    "Got the {product} for {person} {time}.",
    "The {product} arrived {time}.",
    "Ordered one {product} and {number} more for {person}.",
    "We use the {product} {number} times a week.",
    "It was a present for {person}.",
    "Our old {product} was from {time_word}.",
    "Item number {number}{number}, second order.",
    "Picked up {time} by {person}.",
    "This is about the {product} only.",
)
TIME_WORDS = ("spring", "autumn", "college", "another shop", "the same shop", "grandfather")
