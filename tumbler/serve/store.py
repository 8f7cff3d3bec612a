"""Chats and what people think of answers, in a database: SQLite, or another that SQLAlchemy knows, by URL."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tumbler.errors import UserError


class Base(DeclarativeBase):
    pass


def _id() -> str:
    return uuid.uuid4().hex


class Chat(Base):
    __tablename__ = "chats"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=_id)
    title: Mapped[str]
    model: Mapped[str]
    created: Mapped[float] = mapped_column(default=time.time)
    changed: Mapped[float] = mapped_column(default=time.time, index=True)
    messages: Mapped[list[ChatMessage]] = relationship(
        cascade="all, delete-orphan", order_by="ChatMessage.number", passive_deletes=True
    )


class ChatMessage(Base):
    __tablename__ = "messages"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=_id)
    chat_id: Mapped[str] = mapped_column(sa.ForeignKey("chats.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    """Its place in the chat."""
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """As OpenAI's chat API has messages."""
    rating: Mapped[int | None]
    """1: good, -1: bad."""
    comment: Mapped[str | None]
    created: Mapped[float] = mapped_column(default=time.time)


class Store:
    """Each method is one transaction. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _sqlite)
                if file := self._engine.url.database:
                    Path(file).parent.mkdir(parents=True, exist_ok=True)
            Base.metadata.create_all(self._engine)
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"the database of chats cannot be opened: {reason}; give another URL with --chats"
            ) from error

    def chats(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last that were changed, without their messages."""
        with Session(self._engine) as session:
            return [_chat(chat) for chat in session.scalars(sa.select(Chat).order_by(Chat.changed.desc()).limit(limit))]

    def chat(self, id: str) -> dict[str, Any] | None:
        with Session(self._engine) as session:
            chat = session.get(Chat, id)
            return None if chat is None else _chat(chat) | {"messages": [_message(one) for one in chat.messages]}

    def begin(self, title: str, model: str) -> dict[str, Any]:
        with Session(self._engine) as session, session.begin():
            chat = Chat(title=title, model=model)
            session.add(chat)
            session.flush()
            return _chat(chat)

    def append(self, chat_id: str, bodies: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """Messages at the end of a chat; None: there is no such chat."""
        with Session(self._engine) as session, session.begin():
            chat = session.get(Chat, chat_id, with_for_update=True)
            if chat is None:
                return None
            first = len(chat.messages)
            added = [ChatMessage(number=first + n, body=body) for n, body in enumerate(bodies)]
            chat.messages += added
            chat.changed = time.time()
            session.flush()
            return [_message(one) for one in added]

    def rate(self, message_id: str, rating: Literal[-1, 1] | None, comment: str | None) -> bool:
        with Session(self._engine) as session, session.begin():
            message = session.get(ChatMessage, message_id)
            if message is not None:
                message.rating, message.comment = rating, comment
            return message is not None

    def delete(self, chat_id: str) -> bool:
        with Session(self._engine) as session, session.begin():
            chat = session.get(Chat, chat_id)
            if chat is not None:
                session.delete(chat)
            return chat is not None

    def close(self) -> None:
        self._engine.dispose()


def _sqlite(connection: Any, _: object) -> None:
    """Foreign keys hold; readers and a writer do not wait for each other."""
    for order in ("PRAGMA foreign_keys = ON", "PRAGMA journal_mode = WAL", "PRAGMA busy_timeout = 5000"):
        connection.execute(order)


def _chat(chat: Chat) -> dict[str, Any]:
    return {"id": chat.id, "title": chat.title, "model": chat.model, "created": chat.created, "changed": chat.changed}


def _message(message: ChatMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "message": message.body,
        "rating": message.rating,
        "comment": message.comment,
        "created": message.created,
    }
