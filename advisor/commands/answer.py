"""The command `advisor answer`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from advisor.approaches import Prediction, Predictor, known
from advisor.cleaning import cleaned, escaped
from advisor.commands.options import add_model, add_prices
from advisor.commands.recorded import model_of_row
from advisor.commands.spending import cap_of, paying
from advisor.deploy.answers import answer_line, cited
from advisor.deploy.predictors import chosen, keeps_texts, restored
from advisor.disk import put
from advisor.errors import UserError
from advisor.intake import there
from advisor.measuring.batches import batches
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison
from advisor.models import LanguageModel
from advisor.reporting import LiveProgress
from advisor.tasks import Query
from advisor.verdict import load_prices

TOGETHER = 8
"""Batches of queries that are read before the first of them is answered: put together as those of a comparison, by
length, so that the queries of a test set get the answers that were recorded, to the last bit of bfloat16."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run folder, which row, and what is asked."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    parser.add_argument(
        "asked",
        nargs="*",
        metavar="[SPEC] [QUERY]",
        help="the row that answers (default: the recommended one), and the query; without one, each line of standard "
        "input is a query and each line of output a JSON object",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for a query that is given here, too")
    model = parser.add_argument_group("model and machine", "default: as recorded")
    add_model(model, "the model that was measured, where it lies elsewhere now; the rest goes with it")
    add_prices(model)


def run(options: argparse.Namespace) -> int:
    """Answer; returns the exit code."""
    there(Path(options.folder))
    comparison = read_comparison(options.folder)
    options.offline = options.offline or keeps_texts(comparison)
    spec, query = _meant(options.asked, comparison)
    row = chosen(comparison, spec)
    with LiveProgress():
        model = model_of_row(options, comparison, row)
        predictor = restored(comparison, row, model)
    try:
        with paying(cap_of(options), load_prices(options.prices)):
            _answer(options, predictor, model, query)
    finally:
        predictor.close()
    return 0


def _answer(options: argparse.Namespace, predictor: Predictor, model: LanguageModel, query: str | None) -> None:
    """Answer the query, or each line of standard input."""
    if query is None:
        size = model.can.rows_at_once
        for queries in _read(sys.stdin, TOGETHER * size):
            found = {p.id: p for batch in batches(queries, size) for p in predictor.predict(batch)}
            put_answers([found[query.id] for query in queries], as_json=True)
    else:
        put_answers(predictor.predict([Query("1", query)]), as_json=options.json)


def _meant(asked: list[str], comparison: Comparison) -> tuple[str | None, str | None]:
    """Spec and query; an argument alone is a spec if a row has it, or something installed is called so.

    Raises:
        UserError: there are more than two arguments.
    """
    if len(asked) > 2:
        raise UserError(f"{len(asked)} arguments follow the run folder", 'a row and a query: put the query in "..."')
    if len(asked) == 2:
        return asked[0], asked[1]
    if not asked:
        return None, None
    rows = {run.spec for run in comparison.runs}
    return (asked[0], None) if asked[0] in rows or known(asked[0]) else (None, asked[0])


def _read(lines: TextIO, most: int) -> Iterator[list[Query]]:
    """The lines that are not empty, as queries by the number of their line, so many at a time."""
    queries = (Query(str(number), line.rstrip("\n")) for number, line in enumerate(lines, start=1) if line.strip())
    try:
        while found := list(islice(queries, most)):
            yield found
    except UnicodeDecodeError as error:
        raise UserError(f"standard input: is no UTF-8 text ({error.reason})", "convert it: iconv -t UTF-8") from error


def put_answers(predictions: Sequence[Prediction], as_json: bool) -> None:
    """Print answers with the passages that they name, as text or as a JSON object on a line."""
    for prediction in predictions:
        text = escaped(json.dumps(answer_line(prediction), ensure_ascii=False)) if as_json else _shown(prediction)
        put(sys.stdout, text + "\n")


def _shown(prediction: Prediction) -> str:
    """The answer, with a line for each passage that it names."""
    return "\n".join(cleaned(line) for line in [prediction.text, *map(_source, cited(prediction))])


def _source(cited: Mapping[str, Any]) -> str:
    """`[2] handbook: Holidays (page 4)`."""
    title = f": {cited['title']}" if cited["title"] else ""
    where = f" ({cited['where']})" if cited["where"] else ""
    return f"  [{cited['number']}] {cited['source']}{title}{where}"
