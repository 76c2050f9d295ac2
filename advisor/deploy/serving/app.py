"""The routes of a server. One home of fastapi."""

# Annotations are evaluated here, since FastAPI reads them and its names are there only where it is installed.

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.deploy.serving.bounds import TurnedAway, invalid
from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.guard import App, Gatekeeper
from advisor.deploy.serving.shapes import (
    AnswerRequest,
    ChatRequest,
    Completion,
    DocumentsRequest,
    EmbeddingsRequest,
    answer_body,
    embeddings_body,
    error_body,
)
from advisor.deploy.serving.shelf import DocumentShelf
from advisor.deploy.serving.tickets import Inquiry, ServedAnswer
from advisor.deploy.serving.waiting import Waiting
from advisor.errors import AdvisorError
from advisor.extras import needed
from advisor.version import VERSION

if TYPE_CHECKING:
    from fastapi import FastAPI

EXTRA = "serve"
WHAT = "advisor serve"
CHAT, EMBEDDINGS, MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"
ANSWER = "/answer"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {"application/json": {"schema": ERROR}}}
    for status, said in (
        (400, "something is wrong with what was sent, or is not supported"),
        (401, "no key, or a wrong one"),
        (403, "not for this host, or not without a key"),
        (404, "no such model"),
        (408, "the body did not come in time"),
        (409, "the row keeps no documents, or only pieces of them yet"),
        (413, "the body is too large"),
        (415, "the body is not application/json"),
        (429, "too many requests wait; Retry-After says for how long"),
        (503, "the server is not ready, or ends, or had no answer in time"),
    )
}


@dataclass(frozen=True)
class Service:
    """What the routes work on.

    Attributes:
        key: that callers have to have; empty where none is asked for.
        began: when the server started, in seconds since 1970.
    """

    engine: Engine
    shelf: DocumentShelf
    key: str
    began: int

    @property
    def models(self) -> tuple[str, str]:
        """What the row is called, and its model's embedder."""
        row = self.engine.row
        return row.spec, row.model.embedder.name

    def check_model(self, named: str, here: str) -> None:
        """Raises:
        TurnedAway: another model was asked for.
        """
        if named != here:
            said = "no such model; GET /v1/models lists what is served"
            raise TurnedAway(404, "invalid", "model_not_found", said, "model")

    def capped(self, asked: int | None) -> int:
        """Tokens of an answer.

        Raises:
            TurnedAway: more are asked for than there may be.
        """
        most = self.engine.bounds.max_tokens
        if asked is not None and asked > most:
            raise invalid(f"up to {most:,} tokens are written", "max_tokens")
        return most if asked is None else asked

    def chat(self, body: ChatRequest) -> Inquiry:
        """What a request for a completion asks.

        Raises:
            TurnedAway: it asks for what is not done here.
        """
        body.check_supported()
        self.check_model(body.model, self.models[0])
        if body.stream_options is not None and not body.stream:
            raise invalid("stream_options are for streams", "stream_options")
        most, stops = self.capped(body.max_completion_tokens or body.max_tokens), body.stops
        if self.engine.row.raw:
            return Inquiry(CHAT, turns=body.turns(), max_tokens=most, stops=stops)
        return Inquiry(CHAT, body.query(), max_tokens=most, stops=stops)

    def refused(self, error: TurnedAway) -> None:
        """Tell who watches."""
        if error.reason is not None:
            self.engine.observer.refused(error.reason)


def application(service: Service) -> App:
    """The server as an ASGI application.

    Raises:
        UserError: FastAPI is not installed.
    """
    with needed(WHAT, EXTRA):
        from fastapi import FastAPI
        from fastapi.responses import JSONResponse

    app = FastAPI(
        title="Advisor",
        version=VERSION,
        description="A measured row of a comparison, served.",
        docs_url=None,  # its pages are fetched from elsewhere
        redoc_url=None,
        responses=REFUSALS,
    )

    def refusal(error: TurnedAway) -> JSONResponse:
        service.refused(error)
        headers = {} if error.after is None else {"Retry-After": str(error.after)}
        headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return JSONResponse(error_body(error), error.status, headers)

    _tell_errors(app, refusal)
    _openai_routes(app, service)
    _own_routes(app, service)
    _watched_routes(app, service)
    return Gatekeeper(app, service.engine.bounds, service.key, refusal)


def _tell_errors(app: "FastAPI", refusal: Callable[[TurnedAway], Any]) -> None:
    """Every error has OpenAI's shape, and quotes nothing that was sent."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    @app.exception_handler(TurnedAway)
    async def turned_away(request: Request, error: TurnedAway) -> Any:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Any:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:] if isinstance(part, int) or part.isidentifier())[:100]
        return refusal(invalid(f"{place or 'the body'}: {first['type'].replace('_', ' ')}", place))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Any:
        said = {404: "no such route", 405: "the route takes another method"}.get(error.status_code, "refused")
        return refusal(TurnedAway(error.status_code, "invalid", "invalid_request", said))


def _openai_routes(app: "FastAPI", service: Service) -> None:
    from fastapi import Request
    from fastapi.responses import JSONResponse, StreamingResponse

    engine = service.engine

    @app.post(CHAT, response_model=dict[str, Any])
    async def chat(body: ChatRequest, request: Request) -> Any:
        """Answer the last message of the user as the row does."""
        waiting = Waiting(engine, service.chat(body), request.is_disconnected)
        completion = Completion(service.models[0])
        if not body.stream:
            return JSONResponse(completion.whole(await waiting.answer()))
        first = await waiting.next()
        if isinstance(first, TurnedAway):
            raise first
        usage = bool(body.stream_options and body.stream_options.include_usage)
        events = _chunks(completion, waiting, first, usage)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @app.post(EMBEDDINGS, response_model=dict[str, Any])
    async def embeddings(body: EmbeddingsRequest, request: Request) -> Any:
        """Vectors of texts by the row's embedder."""
        texts, name = body.texts, service.models[1]
        service.check_model(body.model, name)
        answer = await Waiting(engine, Inquiry(EMBEDDINGS, texts=texts), request.is_disconnected).answer()
        return JSONResponse(embeddings_body(name, answer, body.encoding_format))

    def told(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": service.began, "owned_by": "advisor"}

    @app.get(MODELS, response_model=dict[str, Any])
    async def models() -> Any:
        """What is served."""
        return JSONResponse({"object": "list", "data": [told(name) for name in service.models]})

    @app.get(MODELS + "/{model:path}", response_model=dict[str, Any])
    async def model(model: str) -> Any:
        """One of them."""
        if model not in service.models:
            service.check_model(model, service.models[0])
        return JSONResponse(told(model))


async def _chunks(
    completion: Completion, waiting: Waiting, first: str | ServedAnswer, usage: bool
) -> AsyncIterator[str]:
    """A completion as server-sent events; the first event is there already."""
    event: Any = first
    try:
        yield _sent(completion.chunk("", first=True))
        said = False
        while isinstance(event, str):
            said = True
            yield _sent(completion.chunk(event))
            event = await waiting.next()
        if isinstance(event, TurnedAway):
            yield _sent(error_body(event))
            return
        if not said and event.text:
            yield _sent(completion.chunk(event.text))
        yield _sent(completion.chunk(answer=event))
        if usage:
            yield _sent(completion.usage(event))
        yield "data: [DONE]\n\n"
    finally:
        waiting.give_up()


def _sent(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


def _own_routes(app: "FastAPI", service: Service) -> None:
    from fastapi import Request
    from fastapi.responses import JSONResponse

    engine = service.engine

    @app.post(ANSWER, response_model=dict[str, Any])
    async def answer(body: AnswerRequest, request: Request) -> Any:
        """Answer a query, with evidence, passages, confidence and citations."""
        if not body.query.strip():
            raise invalid("the query is empty", "query")
        asked = Inquiry(ANSWER, body.query, max_tokens=engine.bounds.max_tokens)
        return JSONResponse(answer_body(await Waiting(engine, asked, request.is_disconnected).answer()))

    @app.post("/documents", response_model=dict[str, Any])
    async def documents(body: DocumentsRequest) -> Any:
        """Change the documents; answers come from those before until the new ones are indexed."""
        if engine.state != "ready":
            raise TurnedAway(503, "unready", "unready", "the server is not ready, or ends", after=1)

        def change() -> dict[str, Any]:
            after = service.shelf.after(body)
            pieces, seconds = engine.change(after, lambda: service.shelf.keep(after))
            return {"documents": len(after), "pieces": pieces, "seconds": round(seconds, 3)}

        return JSONResponse(await _unless_it_fails(asyncio.to_thread(change)))


async def _unless_it_fails(change: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        return await change
    except (AdvisorError, OSError) as error:
        said = f"the documents could not be changed, and are as they were ({type(error).__name__})"
        raise TurnedAway(503, None, "documents_unchanged", said, after=5) from error


def _watched_routes(app: "FastAPI", service: Service) -> None:
    from fastapi import Response
    from fastapi.responses import JSONResponse

    engine = service.engine

    @app.get("/health", response_model=dict[str, Any])
    async def health() -> Any:
        """Whether the process is alive."""
        return JSONResponse({"status": "ok"})

    @app.get("/ready", response_model=dict[str, Any])
    async def ready() -> Any:
        """Whether the model has answered once and requests are taken."""
        status = 200 if engine.state == "ready" else 503
        return JSONResponse({"status": engine.state}, status, {} if status == 200 else {"Retry-After": "1"})

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Any:
        """What is measured, in Prometheus' text format."""
        kind, body = engine.observer.exposed()
        return Response(body, media_type=kind)
