"""What is told of requests when they end: to whoever watches, and to the log."""

from __future__ import annotations

import time
from dataclasses import replace

from advisor.deploy.serving.bounds import TurnedAway
from advisor.deploy.serving.events import EventLog
from advisor.deploy.serving.observer import Answered, Observer
from advisor.deploy.serving.row import ServedRow
from advisor.deploy.serving.tickets import ServedAnswer, Ticket
from advisor.tasks import UNANSWERABLE
from advisor.tasks.forms import answer_tokens
from advisor.tasks.words import count_words
from advisor.verdict import Prices, load_prices

GIVEN_UP = ("timeout", "cancelled")  # counted as they are given up


class Accounts:
    """Tells of each request once.

    Args:
        prices: by which tokens are paid, where somebody sells them; the built-in list where None.
    """

    def __init__(self, row: ServedRow, observer: Observer, log: EventLog, prices: Prices | None = None) -> None:
        self.row = row
        self.observer = observer
        self.log = log
        self._prices = prices or load_prices()
        self._provider = str(row.model.describe().get("provider") or "")

    def answered(self, ticket: Ticket) -> None:
        """A batch is done with a request."""
        outcome = ticket.outcome
        if isinstance(outcome, ServedAnswer):
            told = self._answered(ticket, outcome)
            if told.ttft_seconds is not None and not told.failure:
                self.observer.first_token(told.ttft_seconds)
            self.observer.answered(told)
            texts = {"asked": ticket.asked.text, "said": outcome.text}
            self.log.write(
                "answered",
                texts,
                route=told.route,
                seconds=round(told.seconds, 4),
                queue_seconds=round(told.queue_seconds, 4),
                prompt_tokens=told.prompt_tokens,
                completion_tokens=told.completion_tokens,
                **({"failure": told.failure} if told.failure else {}),
            )
        elif isinstance(outcome, TurnedAway) and outcome.reason is None and outcome.code not in GIVEN_UP:
            self.failed(ticket, "error")  # of others whoever tells the caller counts it

    def failed(self, ticket: Ticket, kind: str) -> None:
        """A request ends without an answer."""
        self.observer.failed(kind)
        seconds = round(time.perf_counter() - ticket.came, 4)
        self.log.write("failed", {"asked": ticket.asked.text}, route=ticket.asked.route, kind=kind, seconds=seconds)

    def _answered(self, ticket: Ticket, answer: ServedAnswer) -> Answered:
        seconds = time.perf_counter() - ticket.came
        base = Answered(
            route=ticket.asked.route,
            spec=self.row.spec,
            seconds=seconds,
            queue_seconds=(ticket.begun or ticket.came) - ticket.came,
            ttft_seconds=None if ticket.first is None else ticket.first - ticket.came,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            cached_tokens=answer.cached_tokens,
            input_words=count_words(ticket.asked.text),
            output_words=count_words(answer.text),
            dollars=self._dollars(answer),
        )
        return base if answer.prediction is None else _with_prediction(base, answer, self.row)

    def _dollars(self, answer: ServedAnswer) -> float | None:
        if not self._provider:
            return None
        usage = answer.prediction.usage if answer.prediction else None
        tokens = {
            "prompt": answer.prompt_tokens,
            "cached": answer.cached_tokens,
            "completion": answer.completion_tokens,
            "reasoning": usage.reasoning_tokens if usage else 0,
        }
        return self._prices.usd(self._provider, self.row.model.name, tokens)


def _with_prediction(told: Answered, answer: ServedAnswer, row: ServedRow) -> Answered:
    prediction = answer.prediction
    assert prediction is not None
    labels = row.brief.labels if row.brief.kind == "classification" else ()
    return replace(
        told,
        label=answer.text if answer.text in labels else "",
        confidence=prediction.confidence,
        retrieval_scores=tuple(p.absolute for p in prediction.passages if p.absolute is not None),
        passages=len(prediction.passages),
        abstained=answer_tokens(answer.text) == (UNANSWERABLE,),
        failure=prediction.failure,
    )
