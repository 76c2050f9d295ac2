"""Small tasks, and a language model that answers by rules."""

from __future__ import annotations

import pytest

from advisor.tasks import Document, Example, Task

TICKETS = (
    ("card", "my card was stolen yesterday"),
    ("card", "the card machine kept my card"),
    ("card", "a new card please"),
    ("card", "is my card still valid"),
    ("address", "change my address please"),
    ("address", "I moved to a new address"),
    ("address", "my street has another name now"),
    ("lost parcel", "the parcel never arrived"),
    ("lost parcel", "where is my parcel"),
)
ASKED = (
    ("card", "the machine ate my card"),
    ("address", "please note my new address"),
    ("lost parcel", "my parcel is late"),
    ("card", "card lost and stolen"),
)
FACTS = {
    "refunds": "Refunds reach the card within five days after the parcel came back",
    "parking": "Visitors park on level two behind the blue barrier",
    "badges": "A lost badge is blocked at the reception desk",
    "canteen": "The canteen serves lunch from noon until two",
}


@pytest.fixture
def tickets() -> Task:
    """Nine labelled tickets, of three labels that are not equally frequent."""
    train = tuple(Example(f"t{i}", text, label) for i, (label, text) in enumerate(TICKETS))
    test = tuple(Example(f"q{i}", text, label) for i, (label, text) in enumerate(ASKED))
    labels = ("card", "address", "lost parcel")
    return Task("tickets", "classification", "Sort the ticket.", "accuracy", labels, train, (), test)


@pytest.fixture
def desk() -> Task:
    """Questions to four short documents, with evidence, and one that they do not answer."""
    documents = tuple(Document(name, name.title(), text) for name, text in FACTS.items())
    train = (
        Example("t1", "when do refunds reach the card", "within five days", evidence=("refunds",)),
        Example("t2", "where do visitors park", "on level two", evidence=("parking",)),
        Example("t3", "who feeds the office cat", "unanswerable"),
    )
    test = (
        Example("q1", "where is a lost badge blocked", "at the reception desk", evidence=("badges",)),
        Example("q2", "what serves the canteen at noon", "lunch", evidence=("canteen",)),
        Example("q3", "who waters the office plants", "unanswerable"),
    )
    return Task("desk", "qa", "Answer.", "token_f1", (), train, (), test, documents)
