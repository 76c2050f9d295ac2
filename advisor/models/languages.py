"""The languages that models and embedders were trained on, held against those of a task."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.models.embedder import Embedder
from advisor.models.language_model import LanguageModel
from advisor.models.load import apart_from_alias, weights_in
from advisor.models.local.packages import MINILM, SMOLLM2
from advisor.tasks import Task
from advisor.tasks.language import UNKNOWN, guess, main_language, name_of

_TRAINED_ON = {packaged.id: packaged.languages for packaged in (SMOLLM2, MINILM)}  # of others it is not known
_SAMPLE = 300  # texts whose language is looked at
_LEAST = 0.1  # of them, whose language is clear: codes and numbers look like some language here and there


def language_caveats(
    task: Task, model: LanguageModel | None = None, embedder: Embedder | None = None
) -> tuple[str, ...]:
    """A sentence where a task is in a language that its model or embedder was not trained on; else nothing.

    Args:
        model: that of the task's own settings where None, else the embedded one.
        embedder: the model's where None.
    """
    reads = embedder or (model.embedder if model else None)
    named = model.name if model else apart_from_alias(next(iter(task.defaults.models), SMOLLM2.id))[1]
    named = weights_in(named)
    named = SMOLLM2.id if named.lower() in SMOLLM2.aliases else named
    names = {"model": named, "embedder": reads.name if reads else MINILM.id}
    known = {role: _TRAINED_ON[name] for role, name in names.items() if name in _TRAINED_ON}
    written = _written(task) if known else {}
    roles = [role for role, able in known.items() if not written.keys() <= set(able)]
    if not roles:
        return ()
    able = dict.fromkeys(name_of(language) for role in roles for language in known[role])
    texts = " and ".join(f"{name_of(language)} ({share})" for language, share in written.items())
    who = " and the ".join(f"{role} {names[role]}" for role in roles) + (" were" if roles[1:] else " was")
    options = " and ".join(f"--{role}" for role in roles)
    return (f"The {who} trained on {' and '.join(able)}; this task is in {texts}. Name others with {options}.",)


def _written(task: Task) -> dict[str, str]:
    """The main language of the inputs and, where it is another, of the documents, each with its share."""
    inputs = [example.input for example in (*task.test, *task.dev, *task.train)]
    documents = [document.text for document in task.documents]
    found: dict[str, str] = {}
    for noun, texts in (("inputs", inputs), ("documents", documents)):
        guesses = guess(_some(texts))
        language, _ = main_language(guesses)
        alike = [one.sure for one in guesses if one.language == language]  # of short texts few are clear
        if language != UNKNOWN and sum(alike) >= _LEAST * len(guesses):
            share = len(alike) / len(guesses)
            found.setdefault(language, f"{100 * share:.0f} % of its {noun}")
    return found


def _some(texts: Sequence[str]) -> Sequence[str]:
    """Evenly spread ones."""
    return texts[:: max(1, -(-len(texts) // _SAMPLE))]
