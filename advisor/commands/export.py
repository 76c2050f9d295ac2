"""The command `advisor export`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from advisor.commands.options import add_model, add_prices
from advisor.commands.recorded import model_of_row
from advisor.commands.spending import cap_of, paying
from advisor.deploy.exporting.card import UNKNOWN, Licences
from advisor.deploy.exporting.certificate import Certificate
from advisor.deploy.exporting.exporting import Export, check_free, size_of
from advisor.deploy.exporting.hub import check_push, push
from advisor.deploy.exporting.questions import questions_of
from advisor.deploy.exporting.registry import exporter_of, formats
from advisor.deploy.exporting.rows import fitted_row
from advisor.deploy.predictors import chosen, keeps_texts
from advisor.disk import put
from advisor.intake import there
from advisor.measuring.reading import read_comparison
from advisor.reporting import LiveProgress
from advisor.tasks import load_task
from advisor.tasks.power import MARGIN
from advisor.verdict import load_prices


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which row, in which format, and where to."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="the row; default: the recommended one")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="where it goes: not there yet, or empty")
    parser.add_argument("--as", dest="format", metavar="FORMAT", required=True, help=", ".join(formats()))
    parser.add_argument(
        "--task",
        metavar="TASK",
        help="the task folder that was measured: agreement is told on its dev and train inputs too; needed where the "
        "records hold no texts",
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=MARGIN,
        metavar="M",
        help=f"a loss in quality that is too small to matter; default: {MARGIN:g}, as for the choice",
    )
    card = parser.add_argument_group("model card, and the hub")
    card.add_argument("--license", default=UNKNOWN, metavar="L", help="of the export, as the hub names licences")
    card.add_argument("--base-license", default=UNKNOWN, metavar="L", help="of the base model")
    card.add_argument("--data-license", default=UNKNOWN, metavar="L", help="of the data")
    card.add_argument(
        "--push-to-hub",
        metavar="OWNER/NAME",
        help="upload what passed, to a private repository unless it is there; the token is HF_TOKEN's",
    )
    model = parser.add_argument_group("model and machine", "default: as recorded")
    add_model(model, "the model that was measured, where it lies elsewhere now; the rest goes with it")
    add_prices(model)


def run(options: argparse.Namespace) -> int:
    """Export; returns the exit code: 0 passed, 1 the certificate failed."""
    began, out = time.monotonic(), Path(options.out)
    there(Path(options.folder))
    exporter = exporter_of(options.format)
    check_free(out)
    comparison = read_comparison(options.folder)
    options.offline = options.offline or keeps_texts(comparison)
    if options.push_to_hub:
        check_push(options.push_to_hub, options.offline)
    questions = questions_of(comparison, load_task(options.task) if options.task else None)
    run = chosen(comparison, options.spec)
    licences = Licences(options.license, options.base_license, options.data_license)
    with LiveProgress(), paying(cap_of(options), load_prices(options.prices)):
        model = model_of_row(options, comparison, run)
        row = fitted_row(comparison, run, model)
        try:
            certificate, place = Export(row, exporter, out, questions, options.margin, licences).carry_out()
        finally:
            row.predictor.close()
    put(sys.stdout, _said(certificate, place, time.monotonic() - began))
    if not certificate.passed:
        return 1
    if options.push_to_hub:
        put(sys.stdout, f"pushed: {push(place, options.push_to_hub)}\n")
    return 0


def _said(certificate: Certificate, place: Path, seconds: float) -> str:
    """What came of it, in lines."""
    lines = [
        f"{certificate.spec} as {certificate.format}: {place} ({size_of(place) / 1e6:,.1f} MB, {seconds:.0f} s)",
        f"certificate: {certificate.outcome} ({certificate.runtime})",
        *(f"  {reason}" for reason in certificate.reasons),
    ]
    if not certificate.passed:
        lines.append("  kept aside for whoever wants to see why; do not use it in place of what was measured")
    return "\n".join(lines) + "\n"
