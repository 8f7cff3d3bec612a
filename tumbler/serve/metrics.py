"""Figures of a running server, for Prometheus."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tumbler.chat.events import Done

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """One registry a server, so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter("tumbler_requests", "HTTP answers.", ("path", "status"), registry=registry)
        self.prompt_tokens = Counter("tumbler_prompt_tokens", "Tokens read.", ("model",), registry=registry)
        self.made_tokens = Counter("tumbler_generation_tokens", "Tokens made.", ("model",), registry=registry)
        self.first = self._histogram("time_to_first_token_seconds", "From a request's arrival to its first token.")
        self.between = self._histogram("time_per_output_token_seconds", "Mean time between an answer's tokens.")
        self.whole = self._histogram("request_seconds", "From a request's arrival to its end.")
        self.running = self._gauge("requests_running", "Requests that hold a slot.")
        self.waiting = self._gauge("requests_waiting", "Requests that wait for a slot.")
        self.reused = self._gauge(
            "prompt_tokens_reused", "Of prompts: not read, since an earlier request had left them."
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"tumbler_{name}", text, ("model",), registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"tumbler_{name}", text, ("model",), registry=self._registry, buckets=SECONDS)

    def page(self) -> bytes:
        return generate_latest(self._registry)


class Clock:
    """The times of one answer."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self._metrics, self._model = metrics, model
        self._begun = time.perf_counter()
        self._first: float | None = None

    def token(self) -> None:
        if self._first is None:
            self._first = time.perf_counter()
            self._metrics.first.labels(self._model).observe(self._first - self._begun)

    def done(self, done: Done) -> None:
        now, model, metrics = time.perf_counter(), self._model, self._metrics
        metrics.whole.labels(model).observe(now - self._begun)
        if self._first is not None and done.completion_tokens > 1:
            metrics.between.labels(model).observe((now - self._first) / (done.completion_tokens - 1))
        metrics.prompt_tokens.labels(model).inc(done.prompt_tokens)
        metrics.made_tokens.labels(model).inc(done.completion_tokens)
