"""The command `advisor serve`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from advisor.approaches import Predictor, apart, parse, untrained
from advisor.cleaning import say
from advisor.commands.options import add_model, add_prices, load_named
from advisor.commands.recorded import model_of_row
from advisor.commands.spending import cap_of, paying
from advisor.deploy.predictors import brief_of, chosen, keeps_texts, restored
from advisor.deploy.serving.app import Service, application
from advisor.deploy.serving.bounds import ServingBounds
from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.events import EventLog
from advisor.deploy.serving.row import ServedRow
from advisor.deploy.serving.server import KEY, bound_socket, check_address, serve
from advisor.deploy.serving.shelf import DocumentShelf
from advisor.deploy.watching.files import write_files
from advisor.deploy.watching.metrics import PrometheusObserver
from advisor.deploy.watching.reference import measured_row
from advisor.disk import put
from advisor.errors import UserError
from advisor.intake import there
from advisor.measuring.environment import hardware
from advisor.measuring.reading import read_comparison, run_place
from advisor.measuring.records import Comparison, Run, facts_of
from advisor.models import LanguageModel
from advisor.models.load import VLLM
from advisor.models.local.allocator import one_heap
from advisor.reporting import LiveProgress
from advisor.verdict import Prices, load_prices
from advisor.verdict.prices import Tariff

SHELVES = "serving"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which row, where, and within which limits."""
    usual = ServingBounds()
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="the row that answers; default: the recommended one")
    place = parser.add_argument_group("where")
    place.add_argument("--host", default="127.0.0.1", metavar="H", help=f"address; any but loopback needs {KEY}")
    place.add_argument("--port", type=int, default=8000, metavar="N", help="default: 8000; 0 takes a free one")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--queue", type=int, default=usual.queue, metavar="N", help="requests that may wait")
    limits.add_argument("--timeout", type=float, default=usual.timeout, metavar="S", help="seconds until an answer")
    limits.add_argument(
        "--max-tokens", type=int, default=usual.max_tokens, metavar="N", help="tokens of an answer at most"
    )
    limits.add_argument("--max-body", type=int, default=usual.max_body, metavar="BYTES", help="of a request at most")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="give conversations to the row's weights as they are, without its instruction, examples and passages",
    )
    parser.add_argument(
        "--files",
        metavar="FOLDER",
        help="serve nothing, and write a dashboard for Grafana, alerts for Prometheus and a compose.yaml of all three",
    )
    parser.add_argument("--log-texts", action="store_true", help="log what is asked and answered, too")
    model = parser.add_argument_group("model and machine", "default: as recorded")
    model.add_argument(
        "--engine", choices=("own", "vllm"), default="own", help="vllm: through vLLM, which has to be installed"
    )
    add_model(model, "the model that was measured, where it lies elsewhere now; the rest goes with it")
    add_prices(model)


def run(options: argparse.Namespace) -> int:
    """Serve until the end; returns the exit code."""
    one_heap()
    bounds = ServingBounds(options.queue, options.timeout, options.max_tokens, options.max_body)
    key = os.environ.get(KEY, "").strip()
    check_address(options.host, key)
    there(Path(options.folder))
    comparison = read_comparison(options.folder)
    options.offline = options.offline or keeps_texts(comparison)
    found = chosen(comparison, options.spec)
    if options.files is not None:
        put(sys.stdout, "".join(f"{path}\n" for path in write_files(options.files, comparison, found)))
        return 0
    place = bound_socket(options.host, options.port)
    log = EventLog(options.log_texts)
    with LiveProgress():
        model = _model(options, comparison, found)
        if options.raw and type(model).converse is LanguageModel.converse:
            raise UserError(f"--raw: {model.name} takes no conversations as they are", "leave it out")
        predictor = _predictor(options, comparison, found, model)
        row = ServedRow(found.spec, brief_of(run_place(comparison, found)), model, predictor, options.raw)
        shelf = DocumentShelf(_shelf(comparison, found))
        if (documents := shelf.documents()) is not None:
            row.predictor = row.predictor.after(documents)
            log.write("documents", documents=len(documents), pieces=row.predictor.pieces, kept=True)
    prices = load_prices(options.prices)
    observer = PrometheusObserver(measured_row(comparison, found), _tariff(prices, found, model))
    engine = Engine(row, bounds, observer, log, prices)
    observer.ready_when(lambda: engine.state == "ready")
    try:
        with paying(cap_of(options), prices):
            warm = serve(application(Service(engine, shelf, key, int(time.time()))), engine, place, log)
    finally:
        row.predictor.close()
        model.close()
    return 0 if warm else 1


def _tariff(prices: Prices, found: Run, model: LanguageModel) -> Tariff:
    """What answering is paid by on this machine."""
    facts = facts_of(model)
    tariff = prices.tariff(facts, hardware(facts.device_name))
    return tariff if found.uses_model else tariff.without_model


def _shelf(comparison: Comparison, found: Run) -> Path:
    """Where changed documents are kept: in the run folder, beside what was measured."""
    place = run_place(comparison, found)
    return Path(comparison.folder) / SHELVES / place.parent.name / f"{place.name}.documents.jsonl"


def _model(options: argparse.Namespace, comparison: Comparison, found: Run) -> LanguageModel:
    """The model of the row: as recorded, as named, or either by vLLM."""
    if options.engine == "vllm":
        return load_named(_by_vllm(options.model or _recorded_name(comparison, found)), options)
    return model_of_row(options, comparison, found)


def _predictor(options: argparse.Namespace, comparison: Comparison, found: Run, model: LanguageModel) -> Predictor:
    """The row on its model; of tuned weights that vLLM runs, the row's prompts on the merged export that was named.

    Raises:
        UserError: the row cannot be had there.
    """
    approach = parse(apart(found.spec)[0])
    if options.engine != "vllm" or not approach.trains_model:
        return restored(comparison, found, model)
    prompts = untrained(approach)
    if prompts is None or not options.model:
        raise UserError(
            f"--engine vllm: the weights of {found.spec} were tuned here",
            "advisor export DIR SPEC --as merged --out FOLDER, then --engine vllm --model FOLDER",
        )
    say(f"note: {found.spec} answers with the weights in {options.model}, which were not measured as they are there")
    place = run_place(comparison, found)
    return prompts.restore(place, brief_of(place), model)


def _recorded_name(comparison: Comparison, found: Run) -> str:
    member = comparison.model_of(found) or comparison.models[0]
    return str((member.loaded_from or {}).get("name", ""))


def _by_vllm(name: str) -> str:
    """The name by which vLLM loads the weights.

    Raises:
        UserError: it cannot.
    """
    if not name:
        raise UserError("the record does not say by which name its model was loaded", "name it: --model")
    return name if name.startswith(VLLM) else VLLM + name
