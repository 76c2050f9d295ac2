"""The row that is served: what it answers with, and how waiting requests become one batch of it."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.approaches import Prediction, Predictor
from advisor.deploy.serving.bounds import BYTES_PER_TOKEN, TurnedAway, too_long
from advisor.deploy.serving.growing import shortened
from advisor.deploy.serving.tickets import ServedAnswer, Ticket
from advisor.errors import UserError
from advisor.models import Decoding, Generation, LanguageModel
from advisor.models.embedder import ReadsInPart
from advisor.models.hearing import answering, listening
from advisor.models.prompt import Prompt
from advisor.tasks import Query, TaskBrief

WARM_UP = Query("warm-up", "warm-up")


class ServedRow:
    """A row of a run folder and its model.

    Args:
        raw: whether conversations go to the model as they are.

    Attributes:
        predictor: answers; another one once the documents have changed.
    """

    def __init__(
        self, spec: str, brief: TaskBrief, model: LanguageModel, predictor: Predictor, raw: bool = False
    ) -> None:
        self.spec = spec
        self.brief = brief
        self.model = model
        self.predictor = predictor
        self.raw = raw

    @property
    def rows_at_once(self) -> int:
        """Requests that are best answered together."""
        return self.model.can.rows_at_once

    def warm_up(self) -> None:
        """Answer once, so that what is loaded when it is first needed is there.

        Raises:
            NotApplicable: conversations were to be gone on with, and the model does not.
        """
        self.predictor.predict([WARM_UP])
        if self.raw:
            self.model.converse([(("user", "Hello"),)], Decoding(1), self.predictor.adaptation)

    def do(self, tickets: Sequence[Ticket]) -> None:
        """Settle requests of the same work, all of them together."""
        work = tickets[0].asked.work
        fitting = [ticket for ticket in tickets if ticket.wanted and self._fits(ticket)]
        if not fitting:
            return
        if work == "embed":
            self._embed(fitting)
        elif work == "converse":
            self._converse(fitting)
        else:
            self._answer(fitting)

    def _fits(self, ticket: Ticket) -> bool:
        """Whether the model can read the query; a request with one that it cannot is settled."""
        text, window = ticket.asked.text, self.model.context_window
        if not text:
            return True
        if len(text.encode("utf-8", "surrogatepass")) > BYTES_PER_TOKEN * window:
            ticket.settle(too_long(f"the query is far longer than the context window of {window:,} tokens"))
            return False
        room = window - min(ticket.asked.max_tokens, window // 2)
        tokens = self.model.count_tokens(text)
        if tokens > room:
            said = (
                f"the query has {tokens:,} tokens; the context window of {window:,} leaves {room:,} beside the answer"
            )
            ticket.settle(too_long(said))
            return False
        return True

    def _answer(self, tickets: Sequence[Ticket]) -> None:
        queries = [Query(str(number), ticket.asked.text) for number, ticket in enumerate(tickets)]
        with listening(Heard(tickets if self.predictor.as_written else ())):
            predictions = self.predictor.predict(queries)
        for ticket, prediction in zip(tickets, predictions, strict=True):
            self._settle(ticket, prediction)

    def _settle(self, ticket: Ticket, prediction: Prediction) -> None:
        """A label is whole, and so is an answer that names its sources; what is written ends where it was to."""
        usage, text = prediction.usage, prediction.text
        answer = ServedAnswer(
            text, "stop", usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, prediction
        )
        if self.brief.kind != "classification":
            answer = self._cut(ticket, answer)
        ticket.settle(answer)

    def _cut(self, ticket: Ticket, answer: ServedAnswer) -> ServedAnswer:
        """The answer up to where the request wants it; what has not been said of it is said."""
        growing, most = ticket.growing, ticket.asked.max_tokens
        text = answer.text
        if growing.finish is None and answer.completion_tokens > most:  # nobody heard it grow
            text = shortened(text, most, self.model.count_tokens)
        whole, rest = growing.ended(text)
        finish = "length" if text != answer.text else growing.finish or "stop"
        if rest and ticket.wanted:
            ticket.post(rest)
        return ServedAnswer(
            whole,
            finish,
            answer.prompt_tokens,
            min(answer.completion_tokens, most),
            answer.cached_tokens,
            answer.prediction,
        )

    def _converse(self, tickets: Sequence[Ticket]) -> None:
        turns = [ticket.asked.turns for ticket in tickets]
        decoding = Decoding(max(ticket.asked.max_tokens for ticket in tickets))
        try:
            with listening(Heard(tickets)), answering():
                found = self.model.converse(turns, decoding, self.predictor.adaptation)
        except UserError as error:
            if len(tickets) > 1:
                raise  # each is tried alone
            tickets[0].settle(too_long(str(error).splitlines()[0].removeprefix("error: ")))
            return
        for ticket, one in zip(tickets, found, strict=True):
            self._settle_turn(ticket, one)

    def _settle_turn(self, ticket: Ticket, found: Generation) -> None:
        cut = ticket.growing.finish is None and found.completion_tokens >= ticket.asked.max_tokens
        answer = ServedAnswer(found.text, "stop", found.prompt_tokens, found.completion_tokens, found.cached_tokens)
        answer = self._cut(ticket, answer)
        finish = "length" if cut else answer.finish
        ticket.settle(
            ServedAnswer(answer.text, finish, answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
        )

    def _embed(self, tickets: Sequence[Ticket]) -> None:
        embedder = self.model.embedder
        texts = [text for ticket in tickets for text in ticket.asked.texts]
        tokens = embedder.count_tokens(texts) if isinstance(embedder, ReadsInPart) else [0] * len(texts)
        vectors, start = embedder.embed(texts), 0
        for ticket in tickets:
            own = slice(start, start + len(ticket.asked.texts))
            ticket.settle(ServedAnswer(prompt_tokens=sum(tokens[own]), vectors=vectors[own]))
            start = own.stop


class Heard:
    """Hands what is heard of an answer to the requests that it is for: those that ask the very same."""

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        self._by_question: dict[object, list[Ticket]] = {}
        for ticket in tickets:
            self._by_question.setdefault(ticket.asked.turns or ticket.asked.text, []).append(ticket)

    def wrote(self, asked: object, text: str, tokens: int) -> bool:
        """As `advisor.models.hearing.Hearer` has it; an answer that is for nobody known goes on."""
        tickets = self._by_question.get(asked.input if isinstance(asked, Prompt) else asked)
        if tickets is None:
            return True
        wanted = [ticket.heard(text, tokens) for ticket in tickets]  # each of them hears it
        return any(wanted)


def unanswered(error: Exception) -> TurnedAway:
    """What callers are told where the model fails them: nothing of what it was asked."""
    return TurnedAway(503, None, "unanswered", f"the model did not answer ({type(error).__name__})", after=1)
