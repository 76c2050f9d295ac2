"""Search by words: BM25. The one home of bm25s and of PyStemmer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from advisor.extras import needed
from advisor.models import Embedder
from advisor.tasks.language import UNKNOWN, guess, main_language
from advisor.tasks.words import split_words, unspaced
from rag.chunking import Chunk
from rag.documents import damaged
from rag.searcher import Floats, Scorer, saved_chunks

METHOD, K1, B = "lucene", 1.5, 0.75  # of the variants that bm25s has: its defaults
LANGUAGE_FILE = "language.json"
SAMPLE = 200  # chunks by which the language is told
MOSTLY = 0.5  # of the chunks whose language is clear: where no language has more, all words are taken as they are
# Snowball's name of each language that it stems, and what bm25s calls its stop words, where it has some.
STEMMED = {
    "ar": ("arabic", ""),
    "ca": ("catalan", ""),
    "cs": ("czech", ""),
    "da": ("danish", "DANISH"),
    "de": ("german", "GERMAN"),
    "el": ("greek", ""),
    "en": ("english", "EN"),
    "eo": ("esperanto", ""),
    "es": ("spanish", "SPANISH"),
    "et": ("estonian", ""),
    "eu": ("basque", ""),
    "fa": ("persian", ""),
    "fi": ("finnish", ""),
    "fr": ("french", "FRENCH"),
    "ga": ("irish", ""),
    "hi": ("hindi", ""),
    "hu": ("hungarian", ""),
    "hy": ("armenian", ""),
    "id": ("indonesian", ""),
    "it": ("italian", "ITALIAN"),
    "lt": ("lithuanian", ""),
    "nb": ("norwegian", "NORWEGIAN"),
    "ne": ("nepali", ""),
    "nl": ("dutch", "DUTCH"),
    "nn": ("norwegian", "NORWEGIAN"),
    "no": ("norwegian", "NORWEGIAN"),
    "pl": ("polish", ""),
    "pt": ("portuguese", "PORTUGUESE"),
    "ro": ("romanian", ""),
    "ru": ("russian", "RUSSIAN"),
    "sr": ("serbian", ""),
    "sv": ("swedish", "SWEDISH"),
    "ta": ("tamil", ""),
    "tr": ("turkish", "TURKISH"),
}


class Bm25(Scorer):
    """Compares words, of which rare ones count most and long chunks get no advantage; nothing is embedded.

    BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond") as Lucene computes it
    (Kamphuis et al. 2020, "Which BM25 Do You Mean?"), with k1 = 1.5 and b = 0.75. Words are stemmed (Snowball) and stop
    words (those of bm25s) left out, as the language has it in which most chunks are; in languages without a stemmer and
    in scripts without spaces every word counts as it is. A text of nothing but stop words keeps them. A chunk that
    shares no word with a text is not found. The index is not written to disk: it is built from the chunks again in less
    than a second for thousands.

    Args:
        language: an ISO 639 code; told from the chunks where None.
    """

    nothing: ClassVar[float] = 0.0

    def __init__(self, chunks: Sequence[Chunk], embedder: Embedder, language: str | None = None) -> None:
        super().__init__(chunks, embedder)
        self.language = language_of(chunks) if language is None else language
        self._terms = terms_in(self.language)
        self._numbers: dict[str, int] = {}
        count = self._numbers.setdefault  # at once, since the words of all chunks would fill the memory
        numbered = [[count(term, len(self._numbers)) for term in self._terms(chunk.embedded)] for chunk in chunks]
        self._index: Any = None  # without a single word there is nothing to index
        if self._numbers:
            self._index = _library().BM25(method=METHOD, k1=K1, b=B, backend="numpy", csc_backend="numpy")
            self._index.index((numbered, self._numbers), create_empty_token=False, show_progress=False)

    def scores(self, texts: Sequence[str]) -> Iterator[Floats]:
        """BM25 scores, from 0, where no word is shared, without an upper end; they compare chunks, not texts."""
        for text in texts:
            known = [self._numbers[term] for term in self._terms(text) if term in self._numbers]
            if known:
                yield self._index.get_scores_from_ids(known)
            else:
                yield np.zeros(len(self.chunks), dtype=np.float32)

    @property
    def size_bytes(self) -> int:
        """Bytes of the index and the texts."""
        words = sum(len(term.encode()) for term in self._numbers)
        return super().size_bytes + words + self.index_bytes

    @property
    def index_bytes(self) -> int:
        """Bytes of the sparse matrix of the scores of words in chunks."""
        if self._index is None:
            return 0
        return sum(self._index.scores[name].nbytes for name in ("data", "indices", "indptr"))

    def save(self, folder: Path) -> None:
        """The chunks, and in which language they are."""
        super().save(folder)
        self.save_language(folder)

    def save_language(self, folder: Path) -> None:
        """In which language the chunks are, so that what is restored takes words alike."""
        (folder / LANGUAGE_FILE).write_text(json.dumps({"language": self.language}) + "\n", encoding="utf-8")

    def updated(self, chunks: Sequence[Chunk]) -> Bm25:
        """Indexed anew, in the language of before."""
        return type(self)(chunks, self.embedder, self.language)

    @classmethod
    def restore(cls, folder: Path, embedder: Embedder) -> Self:
        """Indexed again, in the language that was told when it was built.

        Raises:
            UserError: a file is missing or damaged.
        """
        return cls(saved_chunks(folder), embedder, saved_language(folder))


def saved_language(folder: Path) -> str:
    """What `Bm25.save_language` wrote; no language where an older version saved the chunks.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / LANGUAGE_FILE
    if not path.exists():
        return UNKNOWN
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["language"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"it cannot be read ({error})") from error


def language_of(chunks: Sequence[Chunk]) -> str:
    """The language in which most chunks are, of a sample spread over all; `und` where none has more than half."""
    step = max(len(chunks) // SAMPLE, 1)
    language, share = main_language(guess([chunk.embedded for chunk in chunks[::step]]))
    return language if share > MOSTLY else UNKNOWN


def terms_in(language: str) -> Callable[[str], list[str]]:
    """What BM25 takes for words in a language: `terms_of` without stop words, stemmed."""
    if language not in STEMMED:
        return terms_of
    stops, stem = _stop_words(language), _stemmer(STEMMED[language][0])

    def terms(text: str) -> list[str]:
        words = terms_of(text)
        stemmed: list[str] = stem([word for word in words if word not in stops] or words)
        return stemmed

    return terms


def terms_of(text: str) -> list[str]:
    """What BM25 takes for words: in one Unicode form (NFKC) and without regard to case.

    In scripts without spaces between words, two neighbouring characters are a term, as search engines have it.
    """
    words = split_words(unicodedata.normalize("NFKC", text).casefold())
    if not unspaced(text):
        return words
    found: list[str] = []
    for joined, run in groupby(words, unspaced):
        part = list(run)
        found += map("".join, pairwise(part)) if joined and len(part) > 1 else part
    return found


def _library() -> Any:
    with needed("searching by words"):
        import bm25s
    return bm25s


@cache
def _stop_words(language: str) -> frozenset[str]:
    """In the form that `terms_of` gives words; the parts of one that is several words are none by themselves."""
    name = STEMMED[language][1]
    with needed("searching by words"):
        from bm25s import stopwords
    given = getattr(stopwords, f"STOPWORDS_{name}") if name else ()
    forms = [terms_of(word) for word in given]
    return frozenset(form[0] for form in forms if len(form) == 1)


def _stemmer(name: str) -> Callable[[list[str]], list[str]]:
    with needed("searching by words"):
        import Stemmer
    stem: Callable[[list[str]], list[str]] = Stemmer.Stemmer(name).stemWords
    return stem
